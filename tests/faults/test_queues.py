"""A stop, or a store that fails, while images wait in the queue of the Agents SDK."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from chatkit_images import runs
from chatkit_images.models import GeneratedImage, Run
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, LoopbackAPI, Raw, Text
from tests.chat import TestServer
from tests.client import ChatClient, message, of_type, read_events, thread_id

from .browsing import added, done, image_call
from .test_ends import check_rows, check_wire, served, shown_items
from .watching import FORMATS

SAVING, GO = threading.Event(), threading.Event()


async def until(event: threading.Event) -> None:
    """Wait; each test has an event loop of its own, to which no event is bound."""
    while not event.is_set():
        await asyncio.sleep(0.01)


class Hesitant(DjangoStore):
    """Waits for the test before it saves a text, as for a database that is away."""

    fails = False

    async def add_thread_item(self, thread_id: str, item: Any, context: Any) -> None:
        if item.type == "assistant_message" and not SAVING.is_set():
            SAVING.set()
            await until(GO)
            if self.fails:
                raise RuntimeError("a project's bug")
        await super().add_thread_item(thread_id, item, context)


class Failing(Hesitant):
    """Fails to save that text."""

    fails = True


class HesitantServer(TestServer):
    """A server with such a store."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(store=Hesitant())


class FailingServer(TestServer):
    """A server with such a store."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(store=Failing())


@pytest.fixture(params=["known", "unknown", "parallel"])
def steps(request: pytest.FixtureRequest) -> list[Any]:
    """A text that is being saved, and images that arrive meanwhile."""
    data = FORMATS["png"]
    if request.param == "known":
        return [added("a", 0), Text("Look."), done("a", 0, data)]
    if request.param == "unknown":
        return [Text("Look."), *image_call("a", data)]
    return [
        added("a", 0),
        Text("Look."),
        added("b", 1),
        done("b", 1, data),
        done("a", 0, data),
    ]


async def interrupted(
    chat: ChatClient, model: LoopbackAPI, settings: Any, server: str, steps: list[Any]
) -> list[dict[str, Any]]:
    """Return the events of an answer that ends while its text is being saved."""
    settings.CHATKIT_IMAGES |= {"SERVER": f"tests.faults.test_queues.{server}"}
    SAVING.clear()
    GO.clear()
    gate = Gate()
    model.respond_with(*steps, gate)
    response = await chat.request_op("threads.create", {"input": message("a meadow")})
    events: list[dict[str, Any]] = []

    async def read() -> None:
        async for event in read_events(response):
            events.append(event)

    reading = asyncio.ensure_future(read())
    async with asyncio.timeout(60):
        await until(SAVING)
        await until(gate.reached)
        # What was sent before the gate is on its way to the queue.
        while not events or waiting() < ends(steps):
            await asyncio.sleep(0.01)
        if server == "HesitantServer":
            key = thread_id(events)
            assert (await chat.post(f"/chatkit/threads/{key}/stop/")).json() == {
                "stopped": True
            }
        GO.set()
        await reading
    gate.open()
    return events


def ends(steps: list[Any]) -> int:
    """Return how many calls some steps end."""
    events = [step.event["type"] for step in steps if isinstance(step, Raw)]
    return events.count("response.output_item.done")


def waiting() -> int:
    """Return how many ends of calls wait in the queue of the one run."""
    (run,) = runs.LIVE.values()
    (tracker,) = run.task.trackers
    tap: Any = tracker.close_source
    ended = [
        event.data.item.type
        for event in tap.__self__._unseen
        if event.data.type == "response.output_item.done"
    ]
    return ended.count("image_generation_call")


@pytest.mark.row("S03")
async def test_a_stop_keeps_the_images_that_wait(
    chat: ChatClient, model: LoopbackAPI, settings: Any, steps: list[Any]
) -> None:
    events = await interrupted(chat, model, settings, "HesitantServer", steps)

    check_wire(events)
    assert of_type(events, "error") == []
    assert (await Run.objects.aget()).status == "cancelled"
    await check_all_shown(chat, events)
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    texts = [i for i in page["items"]["data"] if i["type"] == "assistant_message"]
    assert [i["content"][0]["text"] for i in texts] == [
        "Look.",
        "The answer was stopped.",
    ]


@pytest.mark.row("S02")
async def test_a_store_that_fails_keeps_the_images_that_wait(
    chat: ChatClient, model: LoopbackAPI, settings: Any, steps: list[Any]
) -> None:
    events = await interrupted(chat, model, settings, "FailingServer", steps)

    check_wire(events)
    assert len(of_type(events, "error")) == 1
    assert (await Run.objects.aget()).status == "failed"
    await check_all_shown(chat, events)


async def check_all_shown(chat: ChatClient, events: list[dict[str, Any]]) -> None:
    await check_rows()
    rows = [image async for image in GeneratedImage.objects.all()]
    assert {image.status for image in rows} == {"completed"}
    items = await shown_items(chat, thread_id(events))
    assert len(items) == len(rows) > 0
    for item in items:
        assert await served(chat, item) == FORMATS["png"]
    left = [t for t in asyncio.all_tasks() if "anext" in repr(t.get_coro())]
    assert left == []
