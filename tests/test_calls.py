"""The life of one image call, at its edges."""

from __future__ import annotations

import asyncio
import base64
import gc
import threading
import time
import zlib
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.db import InterfaceError, OperationalError
from openai.types.responses.response_output_item import ImageGenerationCall

from chatkit_images import file_urls, imaging, maintenance, storage, times
from chatkit_images.agents import finals, outcomes, partials
from chatkit_images.agents.bill import add_usage
from chatkit_images.agents.calls import CallState, ImageCall
from chatkit_images.agents.outcomes import ImageOutcome
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.failures import Failure, Reason
from chatkit_images.imaging import png
from chatkit_images.models import GeneratedImage, PartialImage, Thread
from chatkit_images.queries import endings, images, items
from chatkit_images.signals import image_saved
from chatkit_images.storage import backend
from tests.image_files import image_file
from tests.tuning import tuned

RED, GREEN = (base64.b64encode(image_file(c)).decode() for c in ("red", "green"))


class Stage:
    """A call, and the events that it has emitted."""

    def __init__(self, context: RequestContext, **fields: Any) -> None:
        self.events: list[types.ThreadStreamEvent] = []
        thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
        self.converter = DjangoResponseStreamConverter(thread, context, 3)
        item = types.GeneratedImageItem(
            id="msg_1", thread_id="thr_1", created_at=times.now()
        )
        self.call = ImageCall(
            "ig_1", "ig_1", item, self.converter, self.emit, lambda: "msg_2", fields
        )

    async def emit(self, event: types.ThreadStreamEvent) -> None:
        self.events.append(event)

    def finish(self, result: str | None = RED) -> None:
        call = ImageGenerationCall(
            id="ig_1",
            status="completed",
            type="image_generation_call",
            result=result,
        )
        self.call.take_final(finals.final_of(call))

    @property
    def kinds(self) -> list[str]:
        return [event.type for event in self.events]


@pytest.fixture
async def thread(context: RequestContext) -> Thread:
    return await Thread.objects.acreate(pk="thr_1", owner=context.owner)


@pytest.fixture
async def stage(thread: Thread, context: RequestContext) -> Stage:
    return Stage(context)


def files() -> list[str]:
    """Return what is in the storage, deletions that were asked for being done."""
    storage.drain()
    return sorted(name for name, _ in storage.listing())


def broken_pixels() -> bytes:
    """Return a PNG whose container is right."""
    header = image_file("red")[:33]
    body = png.chunk(b"IDAT", zlib.compress(b"\0" * 40)) + png.chunk(b"IEND", b"")
    return header + body


UPDATED, DONE = "thread.item.updated", "thread.item.done"
REMOVED = "thread.item.removed"


async def test_what_comes_after_the_end_changes_nothing(stage: Stage) -> None:
    stage.finish()
    stage.finish(GREEN)
    stage.call.take_partial(2, GREEN)
    await stage.call.wait()
    stage.call.take_partial(2, GREEN)
    await stage.call.end(ImageOutcome("failed", "late"))

    assert stage.kinds == [UPDATED, DONE]
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    assert storage.read(str(image.file.name)) == image_file("red")


async def test_a_call_begins_and_ends_once_with_an_outcome(stage: Stage) -> None:
    call = stage.call
    assert (call.state, call.outcome) == (CallState.BEGUN, None)
    stage.finish()
    assert (call.state, call.outcome) == (CallState.ENDING, None)
    await call.wait()
    await call.end(ImageOutcome("cancelled"))

    assert call.state is CallState.ENDED
    assert call.outcome is not None and call.outcome.status == "completed"


async def test_a_final_that_comes_while_the_call_is_about_to_end_wins(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()
    save = stage.converter.save_partial

    async def hang(*args: Any) -> Any:
        asked.set()
        await go.wait()
        return await save(*args)

    monkeypatch.setattr(stage.converter, "save_partial", hang)
    stage.call.take_partial(0, RED)
    ending = asyncio.ensure_future(stage.call.end(ImageOutcome("cancelled")))
    async with asyncio.timeout(30):
        await asked.wait()
        stage.finish(GREEN)
        go.set()
        await ending

    assert stage.kinds == [UPDATED, DONE]
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    assert storage.read(str(image.file.name)) == image_file("green")


async def test_an_overtaken_preview_is_never_stored(stage: Stage) -> None:
    for index in range(3):
        stage.call.take_partial(index, RED)
    await stage.call.wait()

    assert [partial.index async for partial in PartialImage.objects.all()] == [2]
    assert stage.kinds == [UPDATED]


async def test_of_a_burst_of_previews_the_last_is_stored(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "REST", 0.5)
    for index in range(3):
        stage.call.take_partial(index, RED)
        await asyncio.sleep(0.02)
    while not stage.events:
        await asyncio.sleep(0.01)

    assert [partial.index async for partial in PartialImage.objects.all()] == [2]


async def test_a_preview_rests_while_the_loop_is_busy_but_not_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "BUSY", 0)
    monkeypatch.setattr(partials, "PATIENCE", 0.3)
    began = time.monotonic()
    stage.call.take_partial(0, RED)
    async with asyncio.timeout(30):
        while not stage.events:
            await asyncio.sleep(0.01)
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("status", ["completed", "cancelled"])
async def test_a_resting_preview_does_not_hold_up_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """A stopped call shows the preview. If there is a final, it is not stored."""
    monkeypatch.setattr(partials, "REST", 60)
    stage.call.take_partial(0, RED)
    await asyncio.sleep(0.05)
    if status == "completed":
        stage.finish(GREEN)
    async with asyncio.timeout(30):
        await stage.call.end(ImageOutcome(status))

    shown = image_file("green" if status == "completed" else "red")
    image = await GeneratedImage.objects.aget()
    assert (image.status, stage.kinds[-1]) == (status, DONE)
    assert storage.read(str(image.file.name)) == shown


async def test_a_preview_that_is_no_image_is_left_out(stage: Stage) -> None:
    stage.call.take_partial(0, base64.b64encode(b"junk").decode())
    await stage.call.wait()
    stage.call.take_partial(1, GREEN)
    await stage.call.wait()

    assert [partial.index async for partial in PartialImage.objects.all()] == [1]
    assert stage.kinds == [UPDATED]


async def test_a_preview_that_comes_twice_is_kept_once(stage: Stage) -> None:
    for _ in range(2):
        stage.call.take_partial(0, GREEN)
        await stage.call.wait()

    partial = await PartialImage.objects.aget()
    assert files() == [partial.file.name]


async def test_a_preview_of_an_image_that_has_ended_is_dropped(stage: Stage) -> None:
    await stage.converter.begin_image("ig_1")
    await GeneratedImage.objects.aupdate(status="cancelled")
    stage.call.take_partial(0, GREEN)
    await stage.call.wait()

    assert stage.kinds == []
    assert files() == []
    assert await stage.converter.base64_image_to_url("ig_1", GREEN, 1) == ""


async def test_a_final_is_stored_while_its_pixels_are_checked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is stored it dies with the process."""
    check, stored = imaging.sketch, []

    def wait(*args: Any) -> Any:
        until = time.monotonic() + 30
        while not stored and time.monotonic() < until:
            stored[:] = [name for name, _ in storage.listing()]
        return check(*args)

    monkeypatch.setattr(imaging, "sketch", wait)
    stage.finish()
    await stage.call.wait()

    image = await GeneratedImage.objects.aget()
    assert stored == [image.file.name]


@pytest.mark.parametrize("local", [True, False])
async def test_a_file_whose_pixels_are_broken_does_not_stay(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    monkeypatch.setattr(backend, "is_local", lambda *where: local)
    stage.finish(base64.b64encode(broken_pixels()).decode())
    await stage.call.wait()

    image = await GeneratedImage.objects.aget()
    assert (image.status, image.error_code) == ("failed", "damaged")
    assert stage.kinds == [REMOVED, DONE]
    assert files() == []
    assert not storage.spool.has(storage.name_of("images", image.key, "png"))


@pytest.mark.parametrize("answers", [True, False])
async def test_broken_pixels_are_told_although_the_storage_hangs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, settings: Any, answers: bool
) -> None:
    """One that answers in time has the file deleted, the sweep finds the others."""
    others = {"STORAGE_TIMEOUT": 10.0 if answers else 0.01, "SWEEP_GRACE_SECONDS": 0}
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, **others)
    asked, answer = threading.Event(), threading.Event()
    put, check = backend.put, imaging.sketch

    def hang(name: str, data: bytes, *where: str | None) -> None:
        asked.set()
        assert answer.wait(60)
        put(name, data, *where)

    def late(*args: Any) -> Any:
        assert asked.wait(60)
        return check(*args)

    monkeypatch.setattr(backend, "put", hang)
    monkeypatch.setattr(imaging, "sketch", late)
    stage.finish(base64.b64encode(broken_pixels()).decode())
    async with asyncio.timeout(30):
        await stage.call.wait()
    assert stage.kinds == [REMOVED, DONE]

    if not answers:
        storage.drain()
    answer.set()
    async with asyncio.timeout(30):
        while len(files()) != (0 if answers else 1):
            await asyncio.sleep(0.01)
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=10.0)
    await sync_to_async(maintenance.sweep)()
    storage.drain()
    assert files() == []


async def test_who_hears_of_an_image_gets_its_thread_as_it_is(stage: Stage) -> None:
    seen = []

    def receive(sender: Any, image: GeneratedImage, **kwargs: Any) -> None:
        seen.append((image.thread.title, image.partial_count))

    image_saved.connect(receive)
    try:
        stage.call.take_partial(0, GREEN)
        await stage.call.wait()
        await Thread.objects.aupdate(title="renamed")
        stage.finish()
        await stage.call.wait()
    finally:
        image_saved.disconnect(receive)
    assert seen == [("renamed", 1)]


async def test_a_replayed_final_keeps_the_first_image(
    stage: Stage, context: RequestContext
) -> None:
    stage.finish()
    await stage.call.wait()
    again = Stage(context)
    again.finish()
    await again.call.wait()

    image = await GeneratedImage.objects.aget()
    assert storage.read(str(image.file.name)) == image_file("red")
    assert files() == sorted([image.file.name, image.thumbnail.name])
    assert again.kinds == [UPDATED, DONE]


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
async def test_an_image_that_the_database_does_not_take_is_there_when_it_is_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise error("the database is away")

    await stage.converter.begin_image("ig_1")
    monkeypatch.setattr("chatkit_images.queries.images.complete", broken)
    monkeypatch.setattr(
        "chatkit_images.querysets.GeneratedImageQuerySet.finish", broken
    )
    monkeypatch.setattr("chatkit_images.database.PAUSES", (0,))
    stage.finish()
    with pytest.raises(error):
        await stage.call.wait()
    await stage.call.end(ImageOutcome("failed"))

    assert stage.kinds == [REMOVED, DONE]
    saved = stage.call.final_item
    assert isinstance(saved, types.AssistantMessageItem)
    text = "The image is made. It will be here as soon as it can be saved."
    assert saved.content[0].text == text
    assert (await GeneratedImage.objects.aget()).status == "generating"

    monkeypatch.undo()
    await sync_to_async(items.save)("thr_1", saved, stage.converter.context)
    rows = GeneratedImage.objects.all()
    assert await sync_to_async(endings.interrupt)(rows) == 1
    image = await GeneratedImage.objects.select_related("item").aget()
    assert (image.status, image.error_code) == ("completed", "")
    assert image.item is not None and image.item.type == "generated_image"
    assert image.item.item_id == saved.id


async def test_an_image_that_the_database_takes_late_is_shown_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, tries = images.complete, []

    def flap(*args: Any, **kwargs: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the database is away")
        return complete(*args, **kwargs)

    monkeypatch.setattr("chatkit_images.queries.images.complete", flap)
    monkeypatch.setattr("chatkit_images.database.PAUSES", (0,))
    stage.finish()
    await stage.call.end(ImageOutcome("failed"))
    assert stage.kinds == [UPDATED, DONE]
    assert (await GeneratedImage.objects.aget()).status == "completed"


async def test_a_thread_deleted_meanwhile_ends_the_call_too(stage: Stage) -> None:
    await stage.converter.begin_image("ig_1")
    await asyncio.sleep(0)
    await stage.call.wait()
    await Thread.objects.all().adelete()

    await stage.call.end(ImageOutcome("cancelled"))

    assert stage.kinds == [REMOVED, DONE]
    assert not await GeneratedImage.objects.aexists()


async def test_the_bar_never_goes_back(stage: Stage) -> None:
    for index in (1, 0, 2):
        stage.call.take_partial(index, RED)
        await stage.call.wait()
    stage.finish()
    await stage.call.wait()

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
    thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
    converter = DjangoResponseStreamConverter(thread, context)
    steps = [converter.partial_image_index_to_progress(i) for i in range(3)]
    assert steps == [0.5, 0.75, 0.875]


async def test_a_final_replaces_the_preview_of_an_interrupted_image(
    stage: Stage,
) -> None:
    stage.call.take_partial(0, GREEN)
    await stage.call.wait()
    image = await GeneratedImage.objects.aget()
    await sync_to_async(image.end)("interrupted")
    shown = str(image.file.name)
    stage.finish()
    await stage.call.wait()

    await image.arefresh_from_db()
    assert image.status == "completed"
    assert storage.read(str(image.file.name)) == image_file("red")
    assert shown not in files()


async def test_a_receiver_that_raises_changes_nothing(stage: Stage) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("a project's bug")

    image_saved.connect(broken)
    try:
        stage.finish()
        await stage.call.wait()
    finally:
        image_saved.disconnect(broken)
    assert stage.kinds == [UPDATED, DONE]


async def test_an_image_without_a_thumbnail_is_an_image(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr("chatkit_images.imaging.Sketch.webp", broken)
    stage.finish()
    await stage.call.wait()

    image = await GeneratedImage.objects.aget()
    assert (image.status, image.thumbnail.name) == ("completed", "")


async def test_a_row_that_the_database_refused_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, tries = images.complete, []

    def flaky(*args: Any, **kwargs: Any) -> GeneratedImage:
        tries.append(args)
        if len(tries) < 3:
            raise OperationalError("the database is away")
        return complete(*args, **kwargs)

    monkeypatch.setattr(images, "complete", flaky)
    monkeypatch.setattr("chatkit_images.database.PAUSES", (0, 0, 0))
    stage.finish()
    await stage.call.wait()

    assert len(tries) == 3
    assert stage.kinds == [UPDATED, DONE]
    assert len(files()) == 2


async def test_a_final_that_was_noted_already_may_be_noted_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is complete and the spool has forgotten the bytes by then."""
    image_url, tries = file_urls.image_url, []

    def flaky(*args: Any, **kwargs: Any) -> str:
        tries.append(args)
        if len(tries) == 1:
            raise OperationalError("the database is away")
        return image_url(*args, **kwargs)

    monkeypatch.setattr(storage.backend, "is_local", lambda *where: False)
    monkeypatch.setattr(file_urls, "image_url", flaky)
    monkeypatch.setattr("chatkit_images.database.PAUSES", (0, 0, 0))
    stage.finish()
    await stage.call.wait()

    assert len(tries) == 2
    assert stage.kinds == [UPDATED, DONE]
    image = await GeneratedImage.objects.aget()
    assert files() == sorted([image.file.name, image.thumbnail.name])
    assert storage.read(str(image.file.name)) == image_file("red")
    assert not storage.spool.has(str(image.file.name))


class Away:
    """A database that refuses the first rows of images."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: int) -> None:
        self.keys: list[str] = []
        self._begin, self._refuses = images.begin, refuses
        monkeypatch.setattr(images, "begin", self.begin)
        monkeypatch.setattr("chatkit_images.database.PAUSES", (0,))

    def begin(self, *args: Any, **fields: Any) -> GeneratedImage:
        self.keys.append(args[2])
        if len(self.keys) <= self._refuses:
            raise OperationalError("the database is away")
        return self._begin(*args, **fields)


async def test_an_image_makes_the_row_that_the_database_refused_at_its_beginning(
    thread: Thread, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model takes a minute, the database is asked for some seconds only."""
    away = Away(monkeypatch, 2)
    stage = Stage(context, model="gpt-4.1")
    await stage.call.wait()
    assert not await GeneratedImage.objects.aexists()
    stage.finish()
    await stage.call.wait()

    image = await GeneratedImage.objects.aget()
    assert (image.status, image.model) == ("completed", "gpt-4.1")
    assert storage.read(str(image.file.name)) == image_file("red")
    assert stage.kinds == [UPDATED, DONE]
    # A try whose answer was lost may have reserved the name: it is the row's own.
    assert set(away.keys) == {image.key}


async def test_a_row_is_made_once_however_many_need_it(
    thread: Thread, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(monkeypatch, 2)
    stage = Stage(context)
    stage.call.take_partial(0, GREEN)
    await asyncio.sleep(0)
    stage.finish()
    await stage.call.wait()

    assert len(away.keys) == 3
    assert (await GeneratedImage.objects.aget()).status == "completed"
    assert stage.kinds == [UPDATED, DONE]


async def test_a_preview_makes_the_row_too(
    thread: Thread, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(monkeypatch, 4)
    stage = Stage(context)
    stage.call.take_partial(0, GREEN)
    await stage.call.wait()
    assert stage.kinds == []
    stage.call.take_partial(1, GREEN)
    await stage.call.wait()

    assert len(away.keys) == 5
    assert [partial.index async for partial in PartialImage.objects.all()] == [1]


@pytest.mark.parametrize(("refuses", "status"), [(2, ["cancelled"]), (9, [])])
async def test_a_call_without_a_row_is_stopped_like_any_other(
    thread: Thread,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
    refuses: int,
    status: list[str],
) -> None:
    Away(monkeypatch, refuses)
    stage = Stage(context)
    await stage.call.end(ImageOutcome("cancelled"))

    assert [i.status async for i in GeneratedImage.objects.all()] == status
    assert stage.kinds == [REMOVED, DONE]
    saved = stage.call.final_item
    assert isinstance(saved, types.AssistantMessageItem)
    assert saved.content[0].text == "The image was stopped before it was ready."


async def test_an_image_that_no_row_can_be_made_for_is_told_of(
    thread: Thread, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    Away(monkeypatch, 9)
    stage = Stage(context)
    stage.finish()
    with pytest.raises(OperationalError):
        await stage.call.wait()
    await stage.call.end(ImageOutcome("failed"))

    saved = stage.call.final_item
    assert isinstance(saved, types.AssistantMessageItem)
    assert saved.content[0].text == "The image was made but could not be saved."


def test_words_beside_the_tokens_are_kept() -> None:
    first = {"total_tokens": 3, "details": {"a": 1}, "tier": "flex", "only": 1}
    second = {"total_tokens": 4, "details": {"a": 2, "b": 3}, "tier": "auto"}
    assert add_usage(first, second) == {
        "total_tokens": 7,
        "details": {"a": 3, "b": 3},
        "tier": "auto",
        "only": 1,
    }


async def test_what_is_repeated_after_an_unknown_commit_changes_nothing(
    stage: Stage,
) -> None:
    """The database was away when it should have said that all is well."""
    await stage.converter.begin_image("ig_1")
    image = await GeneratedImage.objects.aget()
    again = await sync_to_async(images.begin)(
        "thr_1", str(image.identity), image.key, stage.converter.context
    )
    assert again.pk == image.pk and again.key == image.key
    stage.finish()
    await stage.call.wait()
    await image.arefresh_from_db()
    await sync_to_async(images.announce)(image, image.thumbnail.name)
    assert files() == sorted([image.file.name, image.thumbnail.name])


async def test_thumbnails_do_not_come_back_from_a_storage_elsewhere(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.backend, "is_local", lambda *where: False)
    opened: list[str] = []
    real = storage.get_storage().open

    def note(name: str, mode: str = "rb") -> Any:
        opened.append(name)
        return real(name, mode)

    monkeypatch.setattr(storage.get_storage(), "open", note)
    stage.finish()
    await stage.call.wait()
    image = await GeneratedImage.objects.aget()
    assert image.thumbnail.name
    assert opened == []
    assert not storage.spool.has(str(image.file.name))


async def test_previews_that_hang_hold_up_no_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """More of them than there are threads for previews."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=0.1)
    go, put = threading.Event(), storage.backend.put

    def hang(name: str, data: bytes, *where: str | None) -> None:
        assert go.wait(60)
        put(name, data, *where)

    monkeypatch.setattr(storage.backend, "put", hang)
    try:
        async with asyncio.timeout(30):
            for index in range(9):
                stage.call.take_partial(index, RED)
                await asyncio.sleep(0.15)
            stage.finish(GREEN)
            await stage.call.wait()
    finally:
        go.set()
    assert (await GeneratedImage.objects.aget()).status == "completed"


async def test_an_image_that_comes_after_a_reason_that_could_not_be_saved(
    thread: Thread, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: told.append(said))
    Away(monkeypatch, 4)
    stage = Stage(context)
    reason = Failure(Reason.BLOCKED, code="moderation_blocked")
    stage.call.take_final(finals.Final(None, outcomes.of_failure(reason)))
    stage.finish()
    await stage.call.wait()
    gc.collect()

    assert (await GeneratedImage.objects.aget()).status == "completed"
    assert stage.kinds == [UPDATED, DONE]
    assert told == []
