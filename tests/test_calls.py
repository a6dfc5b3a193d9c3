"""The life of one image call, at its edges."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from chatkit import types
from django.db import OperationalError
from openai.types.responses.response_output_item import ImageGenerationCall

from chatkit_images import storage
from chatkit_images.agents.calls import ImageCall
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.models import GeneratedImage, PartialImage, Thread
from chatkit_images.rows import payloads
from tests.pictures import picture

RED, GREEN = (base64.b64encode(picture(c)).decode() for c in ("red", "green"))


class Stage:
    """A call, and the events that it has emitted."""

    def __init__(self, context: RequestContext) -> None:
        self.events: list[types.ThreadStreamEvent] = []
        thread = types.ThreadMetadata(id="thr_1", created_at=payloads.now())
        self.converter = DjangoResponseStreamConverter(thread, context, 3)
        item = types.GeneratedImageItem(
            id="msg_1", thread_id="thr_1", created_at=payloads.now()
        )
        self.call = ImageCall(
            "ig_1", item, self.converter, self.emit, lambda: "msg_2", {}
        )

    async def emit(self, event: types.ThreadStreamEvent) -> None:
        self.events.append(event)

    def finish(self, result: str | None = RED) -> None:
        self.call.offer_final(
            ImageGenerationCall(
                id="ig_1",
                status="completed",
                type="image_generation_call",
                result=result,
            ),
            {},
        )

    @property
    def kinds(self) -> list[str]:
        return [event.type for event in self.events]


@pytest.fixture
async def stage(context: RequestContext) -> Stage:
    await Thread.objects.acreate(pk="thr_1", owner=context.owner)
    return Stage(context)


UPDATED, DONE = "thread.item.updated", "thread.item.done"
REMOVED = "thread.item.removed"


async def test_what_comes_after_the_end_changes_nothing(stage: Stage) -> None:
    stage.finish()
    stage.finish(GREEN)
    stage.call.offer_preview(2, GREEN)
    await stage.call.settled()
    stage.call.offer_preview(2, GREEN)
    await stage.call.end("failed", "late")

    assert stage.kinds == [UPDATED, DONE]
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    assert storage.read(str(image.file.name)) == picture("red")


async def test_an_overtaken_preview_is_never_stored(stage: Stage) -> None:
    for index in range(3):
        stage.call.offer_preview(index, RED)
    await stage.call.settled()

    assert [partial.index async for partial in PartialImage.objects.all()] == [2]
    assert stage.kinds == [UPDATED]


async def test_a_preview_that_is_no_picture_is_left_out(stage: Stage) -> None:
    stage.call.offer_preview(0, base64.b64encode(b"junk").decode())
    await stage.call.settled()
    stage.call.offer_preview(1, GREEN)
    await stage.call.settled()

    assert [partial.index async for partial in PartialImage.objects.all()] == [1]
    assert stage.kinds == [UPDATED]


async def test_a_preview_that_comes_twice_is_kept_once(stage: Stage) -> None:
    for _ in range(2):
        stage.call.offer_preview(0, GREEN)
        await stage.call.settled()

    partial = await PartialImage.objects.aget()
    assert [name for name, _ in storage.listing()] == [partial.file.name]


async def test_a_preview_of_an_image_that_has_ended_is_dropped(stage: Stage) -> None:
    await stage.converter.begin_image("ig_1")
    await GeneratedImage.objects.aupdate(status="cancelled")
    stage.call.offer_preview(0, GREEN)
    await stage.call.settled()

    assert stage.kinds == []
    assert list(storage.listing()) == []
    assert await stage.converter.base64_image_to_url("ig_1", GREEN, 1) == ""


async def test_a_replayed_final_keeps_the_first_picture(
    stage: Stage, context: RequestContext
) -> None:
    stage.finish()
    await stage.call.settled()
    again = Stage(context)
    again.finish(GREEN)
    await again.call.settled()

    image = await GeneratedImage.objects.aget()
    assert storage.read(str(image.file.name)) == picture("red")
    assert sorted(name for name, _ in storage.listing()) == sorted(
        [image.file.name, image.thumbnail.name]
    )
    assert again.kinds == [UPDATED, DONE]


async def test_a_database_that_fails_ends_the_call_as_not_saved(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr("chatkit_images.rows.images.complete", broken)
    stage.finish()
    with pytest.raises(OperationalError):
        await stage.call.settled()
    await stage.call.end("failed")

    assert stage.kinds == [REMOVED, DONE]
    saved = stage.call.saved
    assert isinstance(saved, types.AssistantMessageItem)
    assert saved.content[0].text == "The image was made but could not be saved."
    image = await GeneratedImage.objects.aget()
    assert (image.status, image.error_code) == ("failed", "not_saved")


async def test_a_thread_deleted_meanwhile_ends_the_call_too(stage: Stage) -> None:
    await stage.converter.begin_image("ig_1")
    await asyncio.sleep(0)
    await stage.call.settled()
    await Thread.objects.all().adelete()

    await stage.call.end("cancelled")

    assert stage.kinds == [REMOVED, DONE]
    assert not await GeneratedImage.objects.aexists()


async def test_the_bar_never_goes_back(stage: Stage) -> None:
    for index in (1, 0, 2):
        stage.call.offer_preview(index, RED)
        await stage.call.settled()
    stage.finish()
    await stage.call.settled()

    progress = [
        event.update.progress
        for event in stage.events
        if isinstance(event, types.ThreadItemUpdatedEvent)
        and isinstance(event.update, types.GeneratedImageUpdated)
    ]
    assert progress == [0.5, 0.5, 0.75, 1.0]


def test_progress_without_a_known_number_halves_what_remains(
    context: RequestContext,
) -> None:
    thread = types.ThreadMetadata(id="thr_1", created_at=payloads.now())
    converter = DjangoResponseStreamConverter(thread, context)
    steps = [converter.partial_image_index_to_progress(i) for i in range(3)]
    assert steps == [0.5, 0.75, 0.875]
