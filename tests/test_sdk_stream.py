"""The converter alone, under the SDK's own ``stream_agent_response``."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from chatkit import types
from chatkit.agents import ResponseStreamConverter

from chatkit_images import file_urls, runs, storage, times
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.models import GeneratedImage
from chatkit_images.signals import image_failed, image_saved
from chatkit_images.testing import (
    Drop,
    FailedImage,
    Gate,
    Image,
    Images,
    LoopbackAPI,
    Text,
    Wait,
)
from tests.client import ChatClient, done_items, of_type, read_events, thread_id
from tests.client import message as user_message
from tests.image_files import SVG, image_file


@pytest.fixture(autouse=True)
def sdk(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.sdk_chat.SdkServer"
    }


@pytest.fixture
def signalled() -> Any:
    """What the signals have told."""
    heard: list[tuple[str, str, bool]] = []

    def hear(signal: Any, image: GeneratedImage, **kwargs: Any) -> None:
        heard.append(
            ("saved" if signal is image_saved else "failed", image.status, True)
        )

    for signal in (image_saved, image_failed):
        signal.connect(hear)
    yield heard
    for signal in (image_saved, image_failed):
        signal.disconnect(hear)


def left_forming(events: list[dict[str, Any]]) -> set[str]:
    """Return the images that a client would show as being generated for ever."""
    added = {
        event["item"]["id"]
        for event in of_type(events, "thread.item.added")
        if event["item"]["type"] == "generated_image"
    }
    done = {item["id"] for item in done_items(events, "generated_image")}
    removed = {event["item_id"] for event in of_type(events, "thread.item.removed")}
    return added - done - removed


async def reload(chat: ChatClient, events: list[dict[str, Any]]) -> list[str]:
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    return [item["type"] for item in page["items"]["data"]]


@pytest.mark.parametrize(
    "data",
    [
        image_file("red"),
        image_file("red", "JPEG"),
        image_file("red", "WEBP"),
        image_file("red", "GIF"),
        SVG,
    ],
    ids=["png", "jpeg", "webp", "gif", "svg"],
)
@pytest.mark.sweep(3)
async def test_an_image_of_any_format_is_stored_and_shown(
    chat: ChatClient, model: LoopbackAPI, signalled: Any, data: bytes
) -> None:
    model.respond_with(Image(data=data, partials=2), Text("Done."))

    events = await chat.say("a fox")

    image = await GeneratedImage.objects.aget()
    assert (image.status, image.partial_count) == ("completed", 2)
    assert storage.read(str(image.file.name)) == data
    assert bool(image.thumbnail) == (data is not SVG)
    assert image.prompt == "a fox"
    assert image.first_partial_ms is not None and image.final_ms is not None
    assert signalled == [("saved", "completed", True)]
    assert left_forming(events) == set()
    assert await reload(chat, events) == [
        "user_message",
        "generated_image",
        "assistant_message",
    ]


@pytest.mark.parametrize(
    ("steps", "status", "code"),
    [
        ([Image(data=b"no image", partials=0)], "failed", "unknown_type"),
        ([Image(data=image_file("red")[:-20], partials=0)], "failed", "damaged"),
        ([Image(result=False, partials=1)], "failed", "no_result"),
        ([FailedImage(partials=1)], "failed", "no_result"),
        ([Image(partials=1, finish=False)], "failed", "no_result"),
        ([Image(partials=1, finish=False), Wait(0.5), Drop()], "failed", None),
    ],
    ids=["no image", "damaged", "no result", "blocked", "no end", "dropped"],
)
@pytest.mark.sweep(3)
async def test_an_image_without_a_result_ends_as_failed(
    chat: ChatClient,
    model: LoopbackAPI,
    signalled: Any,
    steps: list[Any],
    status: str,
    code: str | None,
) -> None:
    model.respond_with(*steps, Text("Done."))

    events = await chat.say("a fox")

    assert left_forming(events) == set()
    image = await GeneratedImage.objects.aget()
    assert image.status == status
    assert code is None or image.error_code == code
    assert signalled == [("failed", status, True)]
    assert "assistant_message" in await reload(chat, events)


async def test_a_preview_that_is_no_image_does_not_end_the_turn(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, tries = storage.backend.put, []

    def refuse(name: str, data: bytes, *where: str | None) -> None:
        tries.append(name)
        if len(tries) <= 2:
            raise OSError("the network is down")
        put(name, data, *where)

    monkeypatch.setattr(storage.backend, "put", refuse)
    monkeypatch.setattr(storage.disk, "write", _no_disk)
    model.respond_with(Image(partials=2, delay=0.1), Text("Done."))
    with monkeypatch.context() as patch:
        patch.setattr(storage.writing.settings.__class__, "STORAGE_ATTEMPTS", 1)
        events = await chat.say("a fox")

    assert of_type(events, "error") == []
    assert [i["type"] for i in done_items(events, "generated_image")]
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"


def _no_disk(path: Any, data: bytes, *modes: int | None) -> None:
    if "spool" in str(path):
        raise OSError("no spool")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def test_of_parallel_images_those_that_arrived_are_there_after_a_reload(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(
        Images(*(Image(data=image_file(c), partials=1) for c in ("red", "green"))),
        Text("Done."),
    )

    events = await chat.say("two foxes")

    assert left_forming(events) == set()
    assert not await GeneratedImage.objects.filter(status="generating").aexists()
    assert await GeneratedImage.objects.filter(status="completed").aexists()
    # An image whose final ChatKit's function has lost is there as a preview.
    assert (await reload(chat, events)).count("generated_image") == 2


async def test_a_stopped_image_keeps_its_preview_after_a_reload(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Image(partials=1, gate=gate), Text("Done."))
    response = await chat.request_op("threads.create", {"input": user_message("a fox")})
    events: list[dict[str, Any]] = []
    async for event in read_events(response):
        events.append(event)
        if event["type"] == "thread.item.updated":
            # By its last events it may have ended.
            for run in list(runs.LIVE.values()):
                run.stop()
    gate.open()

    assert left_forming(events) == set()
    image = await GeneratedImage.objects.aget()
    assert (image.status, bool(image.file)) == ("cancelled", True)
    assert "generated_image" in await reload(chat, events)


async def test_a_stop_between_row_and_item_shows_the_image(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_url, loop = file_urls.image_url, asyncio.get_running_loop()
    told = threading.Event()

    def stopped(image: GeneratedImage, *args: Any) -> str:
        # The row is complete by then, and its URL is for the item.
        if image.status == "completed" and runs.LIVE and not told.is_set():
            (run,) = runs.LIVE.values()
            loop.call_soon_threadsafe(run.stop)
            # The stop reaches the task before what is called after it.
            loop.call_soon_threadsafe(loop.call_soon, told.set)
            told.wait(30)
        return image_url(image, *args)

    monkeypatch.setattr(file_urls, "image_url", stopped)
    model.respond_with(Text("Here."), Image(), Text("Done."))
    events = await chat.say("a fox")
    image = await GeneratedImage.objects.select_related("item", "run").aget()
    assert image.run is not None
    assert (image.run.status, image.status) == ("cancelled", "completed")
    assert "generated_image" in await reload(chat, events)


def test_a_further_base_of_a_converter_is_initialised(context: RequestContext) -> None:
    class Audit(ResponseStreamConverter):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.cited: list[str] = []

    class Mine(DjangoResponseStreamConverter, Audit):
        pass

    thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
    mine = Mine(thread, context, partial_images=2)
    assert (mine.cited, mine.partial_images) == ([], 2)
