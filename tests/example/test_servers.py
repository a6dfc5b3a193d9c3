"""The servers in the ways of ChatKit's samples, over HTTP with the loopback model."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatkit_images.models import GeneratedImage, Run, ThreadItem
from chatkit_images.server.loading import load_server
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from example_project.chat import DesignServer
from example_project.servers.museum import EXHIBITS
from example_project.settings import SERVERS
from tests.chat import TestServer
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)


@pytest.fixture
def chat(
    request: Any,
    ann: User,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A browser of Ann's, at the example project with the server of a test's name."""
    name = request.param
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | SERVERS[name]
    settings.ROOT_URLCONF = "example_project.urls"
    settings.LOOPBACK, settings.OPENAI_MODEL = True, "gpt-4.1"
    client = TestServer.get_openai_client
    monkeypatch.setattr(DesignServer, "get_openai_client", client)
    load_server.cache_clear()
    browser = ChatClient()
    browser.force_login(ann)
    yield browser
    load_server.cache_clear()


def with_server(name: str) -> Any:
    return pytest.mark.parametrize("chat", [name], indirect=True)


def texts(request: Any) -> str:
    """Return the model's input as text."""
    return str(request["input"])


@with_server("portraits")
async def test_a_portrait_is_painted_in_the_style_that_was_picked(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ToolCall("name_pet", {"name": "Rex"}))
    model.respond_with(ToolCall("offer_styles", {}))
    events = await chat.say("Paint my dog Rex.")

    thread = thread_id(events)
    (named,) = of_type(events, "client_effect")
    assert (named["name"], named["data"]) == ("pet_named", {"name": "Rex"})
    (widget,) = done_items(events, "widget")
    buttons = widget["widget"]["children"][1]["children"]
    action = buttons[2]["onClickAction"]
    assert "image_generation" not in str(model.requests[-1]["tools"])

    async def press(**payload: Any) -> list[dict[str, Any]]:
        return await chat.stream(
            "threads.custom_action",
            thread_id=thread,
            item_id=widget["id"],
            action={"type": action["type"], "payload": payload},
        )

    for wrong in ({"style": "marble"}, {"style": ["oil"]}):
        refused = await press(**wrong)
        assert refused[-1]["message"] == "This style is not offered."

    model.respond_with(Image(partials=1), Text("Here is Rex."))
    events = await press(**action["payload"])

    (picked,) = of_type(events, "thread.item.replaced")
    buttons = picked["item"]["widget"]["children"][1]["children"]
    assert all(button["disabled"] for button in buttons)
    (effect,) = of_type(events, "client_effect")
    assert effect["data"] == {"style": "pixels"}
    (image,) = done_items(events, "generated_image")
    assert "The person has picked pixel art." in texts(model.requests[-1])
    assert (await GeneratedImage.objects.aget()).status == "completed"

    model.respond_with(ToolCall("frame_portrait", {}))
    model.respond_with(Text("It hangs."))
    events = await chat.say("Frame it.", thread)
    (framed,) = done_items(events, "widget")
    assert framed["widget"]["children"][0]["src"] == image["image"]["url"]

    page = await chat.call("threads.get_by_id", thread_id=thread)
    assert page["title"] == "Portrait of Rex"
    assert page.get("metadata", {}) == {}
    items = page["items"]["data"]
    shown = [item for item in items if item["type"] != "assistant_message"]
    assert [item["type"] for item in shown] == [
        "user_message",
        "widget",
        "generated_image",
        "user_message",
        "widget",
    ]
    opened = await chat.get(shown[4]["widget"]["children"][0]["src"])
    assert opened.headers["Content-Type"] == "image/png"
    rows = [row async for row in ThreadItem.objects.values_list("payload")]
    assert "http" not in str(rows)


@with_server("museum")
async def test_the_guide_knows_what_the_page_and_the_person_point_at(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    found = (await chat.get("/museum/exhibits/", {"q": "CLOCK"})).json()["entities"]
    assert [entity["id"] for entity in found] == ["clock"]
    tag = {"type": "input_tag", "id": "clock", "text": "Tower clock", "data": {}}
    asked = message("How old is ") | {"content": [*message("How old?")["content"], tag]}
    model.respond_with(ToolCall("look_around", {}))
    model.respond_with(ToolCall("read_plan", {}))
    response = await chat.request_op(
        "threads.create", {"input": asked}, headers={"Exhibit-Id": "vase"}
    )
    events = [event async for event in read_events(response)]

    (progress,) = of_type(events, "progress_update")
    assert progress["text"] == "Looking around…"
    given = texts(model.requests[-1])
    assert EXHIBITS["vase"][1] in given and EXHIBITS["clock"][1] in given
    (call,) = done_items(events, "client_tool_call")
    assert (call["name"], call["status"]) == ("read_plan", "pending")
    assert (await Run.objects.aget()).context["exhibit"] == "vase"

    model.respond_with(Text("Go to the kite."))
    events = await chat.stream(
        "threads.add_client_tool_output",
        thread_id=thread_id(events),
        result={"marked": ["kite"]},
    )
    assert "kite" in texts(model.requests[-1])
    assert done_items(events, "assistant_message")


@with_server("museum")
async def test_a_postcard_is_drawn_by_the_model_that_was_chosen(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(partials=1), Text("Here."))
    options = {"model": "gpt-4.1-mini", "tool_choice": {"id": "postcard"}}
    asked = message("The kite") | {"inference_options": options}
    events = await chat.stream("threads.create", input=asked)

    (item,) = done_items(events, "generated_image")
    (request,) = model.requests
    assert request["model"] == "gpt-4.1-mini"
    assert request["tool_choice"] == {"type": "image_generation"}

    # What a person names is one of their images, if it is no exhibit.
    named = {
        "type": "input_tag",
        "id": item["image"]["id"],
        "text": "kite",
        "data": {},
    }
    model.respond_with(Text("A kite."))
    asked = message("What is ") | {"content": [*message("this?")["content"], named]}
    await chat.stream("threads.create", input=asked)
    assert "input_image" in texts(model.requests[-1])

    options = {"tool_choice": {"id": "statue"}}
    asked = message("The kite") | {"inference_options": options}
    response = await chat.request_op("threads.create", {"input": asked})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "tool_not_allowed"
