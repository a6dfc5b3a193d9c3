"""ChatKit's guide, followed with this app's classes in the place of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from agents import tool as tools
from chatkit import agents, types
from chatkit.agents import AgentContext
from chatkit.server import ChatKitServer
from chatkit.store import Store
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.urls import include, path, reverse

from chatkit_images.models import ThreadItem
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, of_type, thread_id

from .pages import block, blocks
from .shop import module, serving
from .test_tables import rows

PAGE = "from-the-guide.md"
APP, OWN = "the app's endpoint", "a view of its own"


@pytest.fixture(params=[APP, OWN])
def chat(request: Any, ann: User, model: LoopbackAPI) -> Iterator[ChatClient]:
    """A browser of Ann's, at the guide's server."""
    client = ChatClient()
    client.force_login(ann)
    with serving(block(PAGE, "Step by step")):
        if request.param == APP:
            yield client
            return
        (part,) = blocks("python", name="shop/endpoint.py")
        view = module("shop.endpoint", part).chatkit_endpoint
        urls = sys.modules["shop.urls"] = ModuleType("shop.urls")
        rest = path("chatkit/", include("chatkit_images.urls"))
        vars(urls)["urlpatterns"] = [path("chatkit/", view), rest]
        with override_settings(ROOT_URLCONF="shop.urls"):
            yield client
        del sys.modules["shop.urls"]


def images_in(request: Any) -> list[str]:
    """Return the URLs of the images in a request to the model."""
    return [
        part["image_url"]
        for item in request["input"]
        if isinstance(item.get("content"), list)
        for part in item["content"]
        if part["type"] == "input_image"
    ]


@pytest.mark.parametrize("option", ["data_url", "signed_url"])
async def test_the_guides_server_works_with_our_classes(
    chat: ChatClient, model: LoopbackAPI, settings: Any, option: str
) -> None:
    # A provider reads no URL of a host that it cannot reach.
    chosen = {"MODEL_IMAGES": option, "BASE_URL": "https://shop.example"}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | chosen
    model.respond_with(Image(partials=2, delay=0.1), Text("Here."))
    model.respond_with(Text("Seen."))

    events = await chat.say("a red fox")

    updates = of_type(events, "thread.item.updated")
    shown = [each["update"] for each in updates if "image" in each["update"]]
    assert [each["progress"] for each in shown][-1] == 1
    (item,) = done_items(events, "generated_image")
    thread = thread_id(events)
    page = await chat.call("threads.get_by_id", thread_id=thread)
    assert [each["type"] for each in page["items"]["data"]] == [
        "user_message",
        "generated_image",
        "assistant_message",
    ]
    url = page["items"]["data"][1]["image"]["url"]
    for each in (item["image"]["url"], url):
        assert (await chat.get(each)).headers["Content-Type"] == "image/png"
    stored = [row async for row in ThreadItem.objects.values_list("payload")]
    assert "base64" not in str(stored) and "http" not in str(stored)

    file = SimpleUploadedFile("note.txt", b"Blue, please.", "text/plain")
    sent = (
        await chat.post(reverse("chatkit_images:upload-direct"), {"file": file})
    ).json()
    await chat.say("another one", thread, attachments=[sent["id"]])

    (given,) = images_in(model.requests[-1])
    assert "Blue, please." in str(model.requests[-1]["input"])
    if option == "data_url":
        assert given.startswith("data:image/png;base64,")
    else:
        assert (await chat.get(given)).headers["Content-Type"] == "image/png"


def test_names_that_are_the_same_are_chatkits() -> None:
    places = (agents, tools, types, AgentContext, ChatKitServer, Store)
    places += (agents.ResponseStreamConverter,)
    known = {name for place in places for name in dir(place)}
    same = [cells[0] for cells in rows(PAGE, "The guide's names") if "same" in cells[1]]
    assert len(same) > 8
    for cell in same:
        for name in cell.split("`")[1::2]:
            assert name.strip("()") in known | {"partial_images"}, name
