"""Images from the model's stream to the storage, the wire and the next turn."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from PIL import Image as PILImage

from chatkit_images import runs, storage
from chatkit_images.models import GeneratedImage, PartialImage, Run, ThreadItem
from chatkit_images.signals import image_failed, image_saved
from chatkit_images.testing import (
    Drop,
    ErrorEvent,
    FailedImage,
    Gate,
    HTTPError,
    Image,
    Images,
    LoopbackAPI,
    Raw,
    Text,
    Wait,
    wire,
)
from tests.client import ChatClient, done_items, of_type, read_events, thread_id
from tests.client import message as user_message
from tests.image_files import SVG, image_file


@pytest.fixture(autouse=True)
def http_client(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.HTTP_CLIENT = getattr(request, "param", "tests.chat.EveryImage")


# Images are read past the SDKs, or with them. What is done with bytes that were read
# does not depend on it.
both = pytest.mark.parametrize(
    "http_client",
    ["tests.chat.EveryImage", "openai.DefaultAsyncHttpxClient"],
    indirect=True,
    ids=["past the SDKs", "with the SDKs"],
)


async def one_image(**lookup: Any) -> GeneratedImage:
    return await GeneratedImage.objects.select_related("item", "run").aget(**lookup)


def answer(model: LoopbackAPI, *steps: Any) -> None:
    """Script one answer; the Agents SDK asks again after one without text."""
    model.respond_with(*steps, Text("Done."))


async def served(chat: ChatClient, item: dict[str, Any]) -> bytes:
    """Return the bytes behind an image item's URL."""
    url = item["image"]["url"]
    assert url.startswith("http://testserver/chatkit/images/")
    response = await chat.get(url)
    assert response.status_code == 200
    return bytes(response.content)


def progress(events: list[dict[str, Any]], item_id: str) -> list[float]:
    return [
        event["update"]["progress"]
        for event in of_type(events, "thread.item.updated")
        if event["item_id"] == item_id
    ]


@both
async def test_previews_sharpen_to_the_final_with_progress(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(model, Image("a red fox", partials=3))

    events = await watch(chat, "a red fox", monkeypatch, 3)

    (added,) = [
        event["item"]
        for event in of_type(events, "thread.item.added")
        if event["item"]["type"] == "generated_image"
    ]
    assert "image" not in added
    assert progress(events, added["id"]) == [0.25, 0.5, 0.75, 1.0]
    (item,) = done_items(events, "generated_image")
    assert item["id"] == added["id"]
    image = await one_image()
    assert image.status == "completed"
    assert image.partial_count == 3
    assert image.item is not None and image.item.item_id == item["id"]
    assert image.first_partial_ms is not None and image.final_ms is not None
    assert 0 < image.first_partial_ms < image.final_ms


@both
async def test_the_bytes_served_are_the_bytes_sent(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    answer(model, Image(data=png, partials=0))

    events = await chat.say("an orange")

    (item,) = done_items(events, "generated_image")
    assert await served(chat, item) == png
    image = await one_image()
    assert (image.mime, image.width, image.height) == ("image/png", 64, 48)
    assert image.bytes == len(png)
    assert image.sha256 == hashlib.sha256(png).hexdigest()
    thumbnail = PILImage.open(io.BytesIO(storage.read(image.thumbnail.name)))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (64, 48))


@both
async def test_what_the_events_say_is_kept(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    answer(
        model,
        Image(
            partials=0,
            size="1024x1536",
            quality="high",
            background="opaque",
            revised_prompt="A fox, red as rust.",
        ),
    )

    await chat.say("a red fox")

    image = await one_image()
    assert image.prompt == "a red fox"
    assert image.revised_prompt == "A fox, red as rust."
    assert (image.size, image.quality, image.background) == (
        "1024x1536",
        "high",
        "opaque",
    )
    assert image.output_format == "png"
    # The chat's model did not draw, and its tokens are no image's.
    assert (image.model, image.chat_model) == ("", "gpt-4.1")
    assert image.usage == {}
    assert image.run is not None
    assert image.run.status == "completed"
    assert image.run.response_id.startswith("resp_")
    assert image.response_id == image.run.response_id
    assert image.run.usage["total_tokens"] > 0


@both
async def test_words_that_are_longer_than_their_columns_are_cut(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch, png: bytes
) -> None:
    """PostgreSQL refuses them, and the image would go with them."""
    new_response, long = wire.new_response, "x" * 300

    def wordy(body: dict[str, Any]) -> dict[str, Any]:
        tool = {"type": "image_generation", "model": long, "output_format": long}
        said = {"id": f"resp_\x00{long}", "tools": [tool]}
        return new_response(body) | said

    monkeypatch.setattr(wire, "new_response", wordy)

    def done(call_id: str, **fields: Any) -> Raw:
        look = {"size": long, "quality": long, "background": long}
        item = {"id": call_id, "type": "image_generation_call", "status": "completed"}
        event = {"type": "response.output_item.done", "output_index": 0}
        return Raw(event | {"item": item | look | fields})

    answer(
        model,
        done("ig_1", result=base64.b64encode(png).decode()),
        done("ig_2", result=None, error={"code": long, "message": long}),
    )

    await chat.say("a red fox")

    image, failed = await one_image(call_id="ig_1"), await one_image(call_id="ig_2")
    assert (image.status, failed.status) == ("completed", "failed")
    assert (failed.error_code, failed.error_message) == (long[:64], long)
    for row in (image, failed):
        assert row.model == long[:255]
        assert row.response_id == f"resp_\ufffd{long}"[:255]
        assert {row.size, row.quality, row.background} == {long[:32]}
    assert image.output_format == long[:32]
    assert image.run is not None
    assert image.run.status == "completed"
    assert image.run.response_id == image.response_id


@pytest.mark.parametrize("order", ["interleaved", "reversed", "sequential"])
@both
@pytest.mark.sweep(3)
async def test_images_in_parallel_arrive_each_in_its_item(
    chat: ChatClient, model: LoopbackAPI, order: Any
) -> None:
    colours = ["red", "green", "blue"]
    answer(
        model,
        Images(*(Image(data=image_file(c), partials=2) for c in colours), order=order),
    )

    events = await chat.say("three colours")

    items = done_items(events, "generated_image")
    assert {item["id"] for item in items} == {
        event["item"]["id"]
        for event in of_type(events, "thread.item.added")
        if event["item"]["type"] == "generated_image"
    }
    assert {await served(chat, item) for item in items} == {
        image_file(colour) for colour in colours
    }
    assert await GeneratedImage.objects.filter(status="completed").acount() == 3
    for item in items:
        seen = progress(events, item["id"])
        assert seen == sorted(seen)
        assert seen[-1] == 1.0
    assert of_type(events, "thread.item.removed") == []


@both
async def test_an_answer_of_images_only_is_paid_for_once(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Images(Image(partials=1), Image(partials=1)))

    events = await chat.say("two foxes")

    assert len(done_items(events, "generated_image")) == 2
    assert len(model.requests) == 1
    assert of_type(events, "error") == []
    run = await Run.objects.aget()
    assert run.status == "completed"
    assert run.usage["total_tokens"] > 0


@both
async def test_a_blocked_image_ends_with_its_reason(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def hear(image: GeneratedImage, **kwargs: Any) -> None:
        failures.append(image.status)

    image_failed.connect(hear)
    awful = FailedImage(categories=("violence",), stage="output", partials=1)
    answer(model, awful)

    events = await watch(chat, "something awful", monkeypatch, 1)

    (added,) = [
        event["item"]["id"]
        for event in of_type(events, "thread.item.added")
        if event["item"]["type"] == "generated_image"
    ]
    (removed,) = of_type(events, "thread.item.removed")
    assert removed["item_id"] == added
    text = "The image was blocked by the safety system."
    told = [m["content"][0]["text"] for m in done_items(events, "assistant_message")]
    assert set(told) == {text, "Done."}
    image = await one_image()
    assert image.status == "blocked"
    assert image.error_code == "moderation_blocked"
    assert image.moderation == {
        "categories": ["violence"],
        "moderation_stage": "output",
    }
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert [item["type"] for item in page["items"]["data"]] == [
        "user_message",
        "assistant_message",
        "assistant_message",
    ]
    assert page["items"]["data"][1]["content"][0]["text"] == text
    image_failed.disconnect(hear)
    assert failures == ["blocked"]
    # Its preview is for staff: the URLs that the client got, and others, are dead.
    assert storage.read(image.file.name)
    updated = of_type(events, "thread.item.updated")
    urls = [
        event["update"]["image"]["url"]
        for event in updated
        if event["update"]["type"] == "generated_image.updated"
    ]
    urls += [f"/chatkit/images/{image.pk}/{name}/" for name in ("full", "partial-0")]
    assert [(await chat.get(url)).status_code for url in urls] == [410] * 3


async def test_reasons_are_told_in_the_language_of_the_person(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.utils import translation

    seen = []
    monkeypatch.setattr(
        "chatkit_images.notes.words",
        lambda row: seen.append(translation.get_language()) or "Sorry.",
    )
    answer(model, FailedImage())

    response = await chat.request_op(
        "threads.create",
        {"input": user_message("x")},
        headers={"accept-language": "de"},
    )
    assert [event async for event in read_events(response)]

    assert seen == ["de"]


FRUITLESS = {
    "ig_1": (Image(result=False, partials=0), "no_result"),
    "ig_2": (Image(data=b"not an image", partials=0), "unknown_type"),
    "ig_3": (Image(data=image_file("red")[:-20], partials=0), "damaged"),
    "ig_4": (Image(partials=0, finish=False), "no_result"),
}


@both
async def test_an_image_without_a_result_ends_as_failed(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    answer(model, *(replace(step, call_id=key) for key, (step, _) in FRUITLESS.items()))

    events = await chat.say("four images")

    assert of_type(events, "error") == []
    assert len(of_type(events, "thread.item.removed")) == len(FRUITLESS)
    texts = [m["content"][0]["text"] for m in done_items(events, "assistant_message")]
    assert sorted(texts) == ["Done.", *["The image could not be generated."] * 4]
    for key, (_, code) in FRUITLESS.items():
        image = await one_image(call_id=key)
        assert (image.status, image.error_code) == ("failed", code), key
        assert image.finished_at is not None


@both
async def test_bytes_count_more_than_the_status_beside_them(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    answer(model, Image(data=png, partials=0, status="generating"))

    events = await chat.say("an orange")

    (item,) = done_items(events, "generated_image")
    assert await served(chat, item) == png


@pytest.mark.parametrize(
    "last",
    [Drop(), ErrorEvent(code="server_error", message="secret of the provider")],
    ids=["dropped connection", "error event"],
)
@both
async def test_a_stream_that_breaks_leaves_no_image_unfinished(
    chat: ChatClient, model: LoopbackAPI, last: Any
) -> None:
    answer(model, Text("Look:"), Image(partials=1, finish=False), Wait(0.5), last)

    events = await chat.say("an image")

    assert of_type(events, "thread.item.removed") == []
    (error,) = of_type(events, "error")
    assert error["allow_retry"] is True
    assert "secret" not in str(events)
    image = await one_image()
    assert image.status == "failed"
    assert image.error_code
    run = await Run.objects.aget()
    assert run.status == "failed"
    assert (run.reason, run.failure) == (image.reason, image.failure)


async def test_a_model_that_refuses_is_an_error_that_may_be_retried(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(HTTPError(500))

    events = await chat.say("an image")

    (error,) = of_type(events, "error")
    words = "The service cannot answer at the moment. Try again in a moment."
    assert error == {
        "type": "error",
        "code": "custom",
        "message": words,
        "allow_retry": True,
    }
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    message, note = page["items"]["data"]
    assert note["content"][0]["text"] == words
    events = await chat.stream(
        "threads.retry_after_item",
        thread_id=thread_id(events),
        item_id=message["id"],
    )
    assert len(done_items(events, "generated_image")) == 1


async def start(chat: ChatClient, text: str) -> tuple[Any, list[dict[str, Any]]]:
    """Begin a chat and return its events' iterator and the list they go to."""
    response = await chat.request_op("threads.create", {"input": user_message(text)})
    return read_events(response), []


async def watch(
    chat: ChatClient, text: str, monkeypatch: pytest.MonkeyPatch, previews: int
) -> list[dict[str, Any]]:
    """Return every event of a chat whose model waits until each preview is shown.

    One that is still on its way when the next one comes, or the final, is left out.
    """
    events: list[dict[str, Any]] = []
    turns = itertools.count()

    async def turn(seconds: float) -> None:
        wanted = min(next(turns), previews)
        async with asyncio.timeout(60):
            while len(of_type(events, "thread.item.updated")) < wanted:
                await asyncio.sleep(0.01)

    paced = SimpleNamespace(sleep=turn, to_thread=asyncio.to_thread)
    with monkeypatch.context() as patch:
        patch.setattr("chatkit_images.testing.image_calls.asyncio", paced)
        stream, _ = await start(chat, text)
        async for event in stream:
            events.append(event)
    return events


async def until(stream: Any, seen: list[dict[str, Any]], event_type: str) -> None:
    async for event in stream:
        seen.append(event)
        if event["type"] == event_type:
            return


@both
async def test_a_stopped_image_keeps_its_best_preview(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    answer(model, Image("a fox", partials=1, gate=gate))
    stream, events = await start(chat, "a fox")
    while not any(
        event.get("update", {}).get("type") == "generated_image.updated"
        for event in events
    ):
        await until(stream, events, "thread.item.updated")

    response = await chat.post(f"/chatkit/threads/{thread_id(events)}/stop/")
    events += [event async for event in stream]

    assert response.json() == {"stopped": True}
    assert of_type(events, "error") == []
    (item,) = done_items(events, "generated_image")
    image = await one_image()
    assert image.status == "cancelled"
    assert image.run is not None and image.run.status == "cancelled"
    assert await served(chat, item) == storage.read(image.file.name)
    assert not await PartialImage.objects.aexists()
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert [i["type"] for i in page["items"]["data"]] == [
        "user_message",
        "generated_image",
        "assistant_message",
    ]
    gate.open()


async def test_a_stopped_image_without_a_preview_says_so(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    answer(model, Text("Here:"), Image("a fox", partials=0, gate=gate))
    stream, events = await start(chat, "a fox")
    while not any(
        event.get("item", {}).get("type") == "generated_image" for event in events
    ):
        await until(stream, events, "thread.item.added")
    assert await runs.stop(Run.objects.filter(thread=thread_id(events)))
    events += [event async for event in stream]

    texts = [m["content"][0]["text"] for m in done_items(events, "assistant_message")]
    assert texts[-1] == "The image was stopped before it was ready."
    assert len(of_type(events, "thread.item.removed")) == 1
    assert (await one_image()).status == "cancelled"
    gate.open()


@both
async def test_a_cancelled_answer_keeps_its_text_and_ends_the_model(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    answer(model, Text("Once upon a time"), gate)
    stream, events = await start(chat, "a story")
    while not any(event.get("update", {}).get("delta") for event in events):
        await until(stream, events, "thread.item.updated")
    await runs.stop(Run.objects.filter(thread=thread_id(events)))
    events += [event async for event in stream]

    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert page["items"]["data"][1]["content"][0]["text"].startswith("Once")
    hidden = await ThreadItem.objects.aget(type="sdk_hidden_context")
    assert "cancelled" in hidden.payload["content"]
    for _ in range(1500):
        if model.disconnects:
            break
        await asyncio.sleep(0.02)
    assert model.disconnects == 1


async def test_the_next_turn_gets_the_image_as_bytes(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    answer(model, Image(data=png, partials=0))
    events = await chat.say("a red fox in the snow")

    await chat.say("now at night", thread_id(events))

    parts = [
        part
        for entry in model.requests[-1]["input"]
        for part in entry["content"]
        if isinstance(part, dict)
    ]
    (shown,) = [part for part in parts if part["type"] == "input_image"]
    head, _, data = shown["image_url"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == png


FORMS = {
    "image/png": image_file("red", "PNG"),
    "image/jpeg": image_file("red", "JPEG"),
    "image/webp": image_file("red", "WEBP"),
    "image/gif": image_file("red", "GIF"),
    "image/svg+xml": SVG,
}


@pytest.mark.row("C01")
@pytest.mark.row("C15")
@both
async def test_the_type_is_read_from_the_bytes(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    # The model says PNG, whatever it sends.
    answer(model, *(Image(data=d, partials=0, format="png") for d in FORMS.values()))

    events = await chat.say("five images")

    assert {row.mime async for row in GeneratedImage.objects.all()} == set(FORMS)
    items = done_items(events, "generated_image")
    assert len(items) == len(FORMS)
    found = {}
    for item in items:
        response = await chat.get(item["image"]["url"])
        mime = response["Content-Type"]
        found[mime] = response.content
        assert response["Content-Disposition"].startswith(
            "attachment" if mime == "image/svg+xml" else "inline"
        )
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert found == FORMS


@pytest.mark.row("D14")
async def test_previews_go_when_the_final_is_in(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer(model, Image("a fox", partials=2))
    await watch(chat, "a fox", monkeypatch, 2)

    assert not await PartialImage.objects.aexists()
    image = await one_image()
    storage.drain()
    names = sorted(name for name, _ in storage.listing())
    assert names == sorted([image.file.name, image.thumbnail.name])

    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"KEEP_PARTIAL_IMAGES": True}
    answer(model, Image("a cat", partials=2))
    await watch(chat, "a cat", monkeypatch, 2)
    assert [p.index async for p in PartialImage.objects.order_by("index")] == [0, 1]


async def test_a_final_that_storage_refuses_is_spooled_served_and_flushed(
    chat: ChatClient,
    model: LoopbackAPI,
    png: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []

    def refuse(name: str, data: bytes, *where: str | None) -> None:
        tries.append(name)
        raise OSError("the disk is full")

    monkeypatch.setattr(storage.backend, "put", refuse)
    answer(model, Image(data=png, partials=0))
    events = await chat.say("an orange")

    (item,) = done_items(events, "generated_image")
    image = await one_image()
    assert tries.count(image.file.name) == 3
    assert set(storage.spool.handed_over()) == {image.file.name, image.thumbnail.name}
    assert await served(chat, item) == png

    monkeypatch.undo()
    assert len(await sync_to_async(storage.flush_spool)()) == 2
    assert list(storage.spool.handed_over()) == []
    assert await served(chat, item) == png


async def test_a_final_has_the_storages_url_from_the_first_event_on(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The browser has fetched it by the time the thread is read again."""
    monkeypatch.setattr(storage.backend, "is_local", lambda *where: False)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"IMAGE_URLS": "storage"}
    answer(model, Image(partials=0))
    events = await chat.say("a fox")

    (item,) = done_items(events, "generated_image")
    updates = [event["update"] for event in of_type(events, "thread.item.updated")]
    urls = {update["image"]["url"] for update in updates if "image" in update}
    urls.add(item["image"]["url"])
    page = await chat.call("items.list", thread_id=thread_id(events), limit=100)
    (shown,) = [found for found in page["data"] if found["id"] == item["id"]]
    assert urls == {shown["image"]["url"]}
    image = await one_image()
    assert shown["image"]["url"] == f"http://testserver/media/{image.file.name}"
    assert not storage.spool.has(str(image.file.name))


async def test_a_spool_that_cannot_forget_costs_no_image(
    chat: ChatClient, model: LoopbackAPI, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise OSError("the disk cannot be written")

    monkeypatch.setattr(storage.backend, "is_local", lambda *where: False)
    answer(model, Image(data=png, partials=0))
    with monkeypatch.context() as patch:
        patch.setattr(storage.spool, "drop", refuse)
        events = await chat.say("an orange")

    (item,) = done_items(events, "generated_image")
    image = await one_image()
    assert (image.status, image.error_code) == ("completed", "")
    assert image.thumbnail.name
    assert await served(chat, item) == png


@pytest.mark.row("S15")
async def test_a_storage_that_does_not_answer_is_asked_again_later(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(model, Image(partials=0))
    (item,) = done_items(await chat.say("a fox"), "generated_image")

    def refuse(name: str, *where: str | None) -> bytes:
        raise ConnectionError("secret of the storage")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "open_reader", refuse)
        response = await chat.get(item["image"]["url"])
    assert (response.status_code, 5 <= int(response["Retry-After"]) <= 9) == (503, True)
    assert response.content == b"This file cannot be read now.\n"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert (await chat.get(item["image"]["url"])).status_code == 200


async def test_bytes_that_nothing_takes_end_the_image_as_failed(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(storage.backend, "put", refuse)
    monkeypatch.setattr(storage.disk, "write", refuse)
    answer(model, Image(partials=1))

    events = await chat.say("an orange")

    texts = [m["content"][0]["text"] for m in done_items(events, "assistant_message")]
    assert "The image was made but could not be saved." in texts
    assert "Done." in texts
    assert of_type(events, "error") == []
    image = await one_image()
    assert (image.status, image.error_code) == ("failed", "not_saved")


@pytest.mark.row("O09")
@pytest.mark.row("S28")
async def test_text_flows_while_an_image_is_being_stored(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    hold = threading.Event()
    put = storage.backend.put

    def slow(name: str, data: bytes, *where: str | None) -> None:
        hold.wait(60)
        put(name, data, *where)

    monkeypatch.setattr(storage.backend, "put", slow)
    answer(model, Image(partials=2))
    stream, events = await start(chat, "a fox")
    while not done_items(events, "assistant_message"):
        await until(stream, events, "thread.item.done")
    assert done_items(events, "generated_image") == []

    hold.set()
    events += [event async for event in stream]
    assert len(done_items(events, "generated_image")) == 1
    # The image was asked for first and stands first, though it came later.
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert [i["type"] for i in page["items"]["data"]] == [
        "user_message",
        "generated_image",
        "assistant_message",
    ]


async def test_image_saved_is_sent_once_the_row_is_there(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    saved = []

    def receive(sender: Any, image: GeneratedImage, **kwargs: Any) -> None:
        saved.append(GeneratedImage.objects.get(pk=image.pk).status)

    image_saved.connect(receive)
    try:
        answer(model, Image(partials=0))
        await chat.say("a fox")
    finally:
        image_saved.disconnect(receive)
    assert saved == ["completed"]


async def test_retry_keeps_the_earlier_image_as_a_version(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    events = await chat.say("a red fox")
    key = thread_id(events)
    (message,) = done_items(events, "user_message")

    again = await chat.stream(
        "threads.retry_after_item", thread_id=key, item_id=message["id"]
    )

    assert len(done_items(again, "generated_image")) == 1
    first, second = [
        image async for image in GeneratedImage.objects.order_by("created_at")
    ]
    assert (first.superseded_at is None, second.superseded_at is None) == (False, True)
    assert first.item_id is None
    assert storage.read(first.file.name)
