"""Images whose bytes were on a disk when their process died."""

from __future__ import annotations

import base64
import os
import time
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from chatkit_images import notes, receiving, storage, times
from chatkit_images.context import RequestContext
from chatkit_images.maintenance import SweepRefused, flush_spool, sweep
from chatkit_images.models import GeneratedImage, PartialImage, Run, Thread
from chatkit_images.queries import endings, images, items, recovery
from chatkit_images.runs import releases
from chatkit_images.signals import image_failed, image_saved
from chatkit_images.storage import backend, spool
from tests.image_files import SVG, image_file
from tests.tuning import tuned

RED = image_file("red")
LONG_AGO = time.time() - 24 * 60 * 60
FORMATS = {
    "png": RED,
    "jpg": image_file("red", "JPEG"),
    "webp": image_file("red", "WEBP"),
    "gif": image_file("red", "GIF"),
    "svg": SVG,
}


@pytest.fixture
def run(ann: User) -> Run:
    """A run whose process has died."""
    owner = f"user:{ann.pk}"
    thread = Thread.objects.create(pk="thr_1", owner=owner, user=ann)
    return Run.objects.create(
        thread=thread, owner=owner, user=ann, heartbeat_at=timezone.now().replace(2020)
    )


@pytest.fixture
def image(run: Run) -> GeneratedImage:
    return GeneratedImage.objects.create(thread=run.thread, run=run, call_id="ig_1")


def final(image: GeneratedImage, extension: str = "png") -> str:
    """Return the name that the image's row has reserved."""
    return storage.name_of("images", image.key, extension)


def shown(context: RequestContext) -> list[types.ThreadItem]:
    """Return the items of the thread without the notes of its answers."""
    page = items.load_page("thr_1", None, 20, "asc", context).data
    return [item for item in page if not item.id.startswith(notes.PREFIX)]


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("place", ["spool", "storage"])
def test_an_image_is_found_where_its_process_left_it(
    image: GeneratedImage, context: RequestContext, extension: str, place: str
) -> None:
    """S12, D08."""
    name = final(image, extension)
    (spool.keep if place == "spool" else backend.put)(name, FORMATS[extension])

    assert releases.take_over(Run.objects.all()) == 1

    image.refresh_from_db()
    assert (image.status, image.file.name) == ("completed", name)
    assert storage.read(name) == FORMATS[extension]
    assert bool(image.thumbnail) == (extension != "svg")
    (item,) = shown(context)
    assert isinstance(item, types.GeneratedImageItem) and item.image
    assert image.sha256


def test_without_bytes_the_image_is_interrupted(
    image: GeneratedImage, context: RequestContext
) -> None:
    releases.take_over(Run.objects.all())
    image.refresh_from_db()
    assert image.status == "interrupted"
    (item,) = shown(context)
    assert isinstance(item, types.AssistantMessageItem)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "is_local", lambda *where: False)
    monkeypatch.setattr(storage, "is_local", lambda *where: False)


def test_a_storage_elsewhere_is_asked_by_the_sweep(
    image: GeneratedImage, context: RequestContext, elsewhere: None
) -> None:
    """A message that comes first does not wait for the storage."""
    backend.put(final(image), RED)
    releases.take_over(Run.objects.all())
    image.refresh_from_db()
    assert image.status == "interrupted"
    (message,) = shown(context)

    assert sweep()["recovered images"] == 1

    image.refresh_from_db()
    assert image.status == "completed"
    (item,) = shown(context)
    assert (item.id, item.type) == (message.id, "generated_image")
    assert sweep()["recovered images"] == 0


def test_an_image_replaces_the_preview_shown_for_it(
    image: GeneratedImage, context: RequestContext, elsewhere: None
) -> None:
    stored = receiving.store(image_file("green"), storage.new_key())
    images.add_partial(image, 0, stored, 10)
    releases.take_over(Run.objects.all())
    (before,) = shown(context)
    backend.put(final(image), RED)

    sweep()

    (after,) = shown(context)
    assert isinstance(after, types.GeneratedImageItem)
    assert after.id == before.id
    image.refresh_from_db()
    assert storage.read(str(image.file.name)) == RED
    storage.drain()
    assert not storage.exists(stored.name)
    assert not PartialImage.objects.exists()


def test_the_disk_of_a_host_that_comes_back_late_is_not_forgotten(
    image: GeneratedImage, context: RequestContext, settings: Any
) -> None:
    releases.take_over(Run.objects.all())
    GeneratedImage.objects.update(finished_at=timezone.now().replace(2020))
    spool.keep(final(image), RED)
    spool.hand_over(final(image))

    assert flush_spool() == [final(image)]

    image.refresh_from_db()
    assert image.status == "completed"
    (item,) = shown(context)
    assert item.type == "generated_image"


@pytest.fixture
def left(image: GeneratedImage, elsewhere: None) -> str:
    """The name of the final, which a killed process has left in the spool."""
    name = final(image)
    spool.keep(name, RED)
    os.utime(spool.path_of(name), (LONG_AGO, LONG_AGO))
    return name


def test_a_write_that_comes_first_leaves_the_image_to_the_takeover(
    image: GeneratedImage, left: str
) -> None:
    storage.store(storage.new_name("images", "png"), RED)
    storage.drain()

    releases.take_over(Run.objects.all())

    image.refresh_from_db()
    assert (image.status, image.file.name) == ("completed", left)


def test_the_flush_ends_dead_runs_before_it_moves_their_images(
    image: GeneratedImage, run: Run, context: RequestContext, left: str
) -> None:
    failed = []

    def receive(image: GeneratedImage, **kwargs: Any) -> None:
        failed.append(image)

    image_failed.connect(receive)
    try:
        assert flush_spool() == [left]
    finally:
        image_failed.disconnect(receive)

    assert failed == []
    assert not spool.has(left)
    image.refresh_from_db()
    run.refresh_from_db()
    assert (image.status, run.status) == ("completed", "interrupted")
    (item,) = shown(context)
    assert item.type == "generated_image"


def test_the_flush_leaves_a_file_to_the_run_that_is_at_work_on_it(
    image: GeneratedImage, left: str
) -> None:
    """It may die yet, and whoever takes it over looks in the spool only."""
    Run.objects.update(heartbeat_at=times.Now())
    out = StringIO()
    call_command("chatkit_images_flush_spool", stdout=out)
    assert out.getvalue() == "Moved 0 files to the storage, 0 are left.\n"
    assert spool.has(left)

    releases.interrupt(Run.objects.all())

    image.refresh_from_db()
    assert image.status == "completed"
    assert flush_spool() == [left]


def test_a_run_that_cannot_be_ended_keeps_its_file_here_and_no_other(
    image: GeneratedImage, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = storage.new_name("images", "png")
    spool.keep(other, RED)
    spool.hand_over(other)

    def refuse(*args: Any) -> None:
        raise RuntimeError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(endings, "end_images_of", refuse)
        with pytest.raises(RuntimeError, match="not now"):
            flush_spool()
    assert spool.has(left) and not spool.has(other)

    assert flush_spool() == [left]
    image.refresh_from_db()
    assert image.status == "completed"


def test_a_file_that_an_ended_image_has_reserved_is_adopted_not_deleted(
    image: GeneratedImage, settings: Any
) -> None:
    releases.take_over(Run.objects.all())
    GeneratedImage.objects.update(finished_at=timezone.now().replace(2020))
    backend.put(final(image), RED)
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, SWEEP_GRACE_SECONDS=0)

    counts = sweep()

    assert (counts["recovered images"], counts["unknown files"]) == (1, 0)
    image.refresh_from_db()
    assert storage.read(str(image.file.name)) == RED


@pytest.mark.row("D11")
def test_a_file_that_a_live_run_has_reserved_is_left_alone(
    image: GeneratedImage, run: Run, settings: Any
) -> None:
    """D11."""
    Run.objects.update(heartbeat_at=times.Now())
    backend.put(final(image), RED)
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, SWEEP_GRACE_SECONDS=0)

    assert sweep()["unknown files"] == 0

    assert storage.read(final(image)) == RED
    image.refresh_from_db()
    assert image.status == "generating"


def test_bytes_that_are_no_image_are_deleted(image: GeneratedImage) -> None:
    spool.keep(final(image), RED[:-20])
    releases.take_over(Run.objects.all())
    image.refresh_from_db()
    assert image.status == "interrupted"
    assert not storage.exists(final(image))


def test_a_blocked_image_stays_blocked(image: GeneratedImage) -> None:
    image.end("blocked")
    backend.put(final(image), RED)
    assert recovery.recover(image) is False
    assert endings.recover_all(GeneratedImage.objects.all()) == 0


def test_a_process_that_was_taken_for_dead_does_not_take_the_image_away(
    image: GeneratedImage,
) -> None:
    stored = receiving.store(RED, image.key)
    releases.take_over(Run.objects.all())

    assert images.complete(image, stored) is False

    storage.drain()
    image.refresh_from_db()
    assert storage.read(str(image.file.name)) == RED


def test_a_recovered_image_keeps_nothing_of_its_earlier_end(
    image: GeneratedImage, elsewhere: None
) -> None:
    image.end("failed", error_code="not_saved", error_message="The disk was full.")
    backend.put(final(image), RED)

    assert sweep()["recovered images"] == 1

    image.refresh_from_db()
    assert image.status == "completed"
    assert (image.error_code, image.error_message) == ("", "")
    assert sweep()["recovered images"] == 0


@pytest.fixture
def late(image: GeneratedImage, elsewhere: None) -> GeneratedImage:
    """An image that was taken for dead, a text in its place, and got its image."""
    releases.take_over(Run.objects.all())
    images.complete(image, receiving.store(RED, image.key))
    long_ago = timezone.now().replace(2020)
    GeneratedImage.objects.update(finished_at=long_ago)
    Run.objects.update(finished_at=long_ago.replace(2019))
    image.refresh_from_db()
    return image


def test_the_sweep_shows_an_image_that_came_after_the_takeover(
    late: GeneratedImage, context: RequestContext
) -> None:
    """Its process died before it could show it itself."""
    (text,) = shown(context)
    assert isinstance(text, types.AssistantMessageItem)

    assert sweep()["recovered images"] == 1

    (item,) = shown(context)
    assert (item.id, item.type) == (text.id, "generated_image")
    assert sweep()["recovered images"] == 0


def test_the_sweep_shows_a_late_image_that_had_no_text(
    late: GeneratedImage, context: RequestContext
) -> None:
    late.thread.items.all().delete()

    assert sweep()["recovered images"] == 1

    (item,) = shown(context)
    assert item.type == "generated_image"


def test_a_late_image_whose_text_is_gone_from_the_thread_stays_out(
    late: GeneratedImage, context: RequestContext
) -> None:
    """The person has asked for the answer again."""
    items.delete("thr_1", endings.message_id(late), context)
    assert sweep()["recovered images"] == 0
    assert shown(context) == []


def test_an_image_that_its_run_may_still_show_is_left_to_it(
    late: GeneratedImage,
) -> None:
    GeneratedImage.objects.update(finished_at=timezone.now())
    assert sweep()["recovered images"] == 0


def test_an_image_in_a_text_of_a_projects_own_is_shown_there_only(
    late: GeneratedImage, context: RequestContext
) -> None:
    late.thread.items.update(item_id="img_of_the_week")
    assert sweep()["recovered images"] == 0
    (item,) = shown(context)
    assert item.type == "assistant_message"


def test_a_recovered_image_is_announced(image: GeneratedImage) -> None:
    saved = []
    backend.put(final(image), RED)

    def receive(image: GeneratedImage, **kwargs: Any) -> None:
        saved.append(image.status)

    image_saved.connect(receive)
    try:
        releases.take_over(Run.objects.all())
    finally:
        image_saved.disconnect(receive)
    assert saved == ["completed"]


def test_a_disk_that_cannot_be_read_leaves_the_image_to_the_sweep(
    image: GeneratedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.put(final(image), RED)

    def refuse(name: str, *where: str | None) -> bytes:
        raise PermissionError(name)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "read", refuse)
        assert releases.take_over(Run.objects.all()) == 1
    image.refresh_from_db()
    assert image.status == "interrupted"
    assert sweep()["recovered images"] == 1


@pytest.mark.parametrize(
    ("status", "ends_as", "is_shown"),
    [
        ("completed", "failed", True),
        ("failed", "failed", False),
        ("cancelled", "cancelled", True),
        ("interrupted", "interrupted", True),
    ],
)
def test_a_run_that_ends_leaves_no_image_open(
    image: GeneratedImage,
    run: Run,
    context: RequestContext,
    status: str,
    ends_as: str,
    is_shown: bool,
) -> None:
    """What the SDK's own function forgets is ended, and shown if it is ready."""
    lost = GeneratedImage.objects.create(thread=run.thread, run=run, call_id="ig_2")
    images.complete(lost, receiving.store(RED, lost.key))

    releases.release(run.pk, status)

    image.refresh_from_db()
    assert image.status == ends_as
    kinds = [item.type for item in shown(context)]
    assert kinds == ["assistant_message"] + ["generated_image"] * is_shown


@pytest.mark.row("D12")
def test_a_database_that_knows_hardly_any_file_is_taken_for_the_wrong_one(
    transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D12."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, SWEEP_GRACE_SECONDS=0)
    monkeypatch.setattr("chatkit_images.maintenance.orphans.UNKNOWN_AT_ONCE", 3)
    names = [storage.new_name("images", "png") for _ in range(4)]
    for name in names:
        backend.put(name, RED)

    with pytest.raises(SweepRefused, match="4 of 4 files are unknown"):
        sweep()
    with pytest.raises(Exception, match="say --force"):
        call_command("chatkit_images_sweep")
    assert all(storage.exists(name) for name in names)

    call_command("chatkit_images_sweep", "--force")
    assert not any(storage.exists(name) for name in names)


async def test_a_replay_of_a_complete_image_stores_nothing(
    image: GeneratedImage, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatkit_images.converters import DjangoResponseStreamConverter

    stored = await sync_to_async(receiving.store)(RED, image.key)
    await sync_to_async(images.complete)(image, stored)

    def refuse(*args: Any) -> None:
        raise AssertionError("nothing is stored")

    monkeypatch.setattr(backend, "put", refuse)
    thread = types.ThreadMetadata(id="thr_1", created_at=timezone.now())
    converter = DjangoResponseStreamConverter(thread, context)
    url = await converter.base64_image_to_url(
        "ig_1", base64.b64encode(image_file("green")).decode()
    )
    assert url
    await image.arefresh_from_db()
    assert storage.read(str(image.file.name)) == RED


def test_what_was_taken_back_stays_out_of_its_thread(
    image: GeneratedImage, context: RequestContext, elsewhere: None
) -> None:
    """A guardrail tripped, or the answer was asked for again, before it was found."""
    backend.put(final(image), RED)
    image.end("failed", error_code="not_saved")
    GeneratedImage.objects.update(superseded_at=timezone.now())

    assert sweep()["recovered images"] == 1

    image.refresh_from_db()
    assert image.status == "completed"
    assert image.superseded_at is not None
    assert shown(context) == []
