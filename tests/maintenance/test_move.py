"""The move of files from one storage to another, beside a live site."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chatkit_images import maintenance, receiving, storage
from chatkit_images.maintenance import moving
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    GeneratedImage,
    ImageVariant,
    Installation,
    PartialImage,
    Thread,
    installations,
)
from chatkit_images.models.files import WithStorage
from chatkit_images.queries import images
from chatkit_images.storage import copying
from chatkit_images.transactions import own_connection
from tests.image_files import image_file

pytestmark = pytest.mark.django_db(transaction=True)


class Rot13:
    """A cipher whose bytes depend on the name."""

    def encrypt(self, name: str, data: bytes) -> bytes:
        return name.encode() + b"\n" + data[::-1]

    def decrypt(self, name: str, data: bytes) -> bytes:
        found, _, rest = data.partition(b"\n")
        if found != name.encode():
            raise ValueError("another name")
        return rest[::-1]


@pytest.fixture(autouse=True)
def storages(settings: Any, tmp_path: Path) -> None:
    for alias in ("disk", "bucket"):
        settings.STORAGES = settings.STORAGES | {
            alias: {
                "BACKEND": "django.core.files.storage.FileSystemStorage",
                "OPTIONS": {"location": tmp_path / alias},
            }
        }
    put_into(settings, "disk")


def put_into(settings: Any, alias: str, **more: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"STORAGE": alias, **more}


def image(call_id: str, colour: str = "red") -> GeneratedImage:
    thread, _ = Thread.objects.get_or_create(pk="thr_1", owner="user:1")
    row = GeneratedImage.objects.create(thread=thread, call_id=call_id)
    images.complete(row, receiving.store(image_file(colour), row.key))
    return row


def stored(kind: str, data: bytes) -> str:
    name = storage.new_name(kind, "png")
    storage.store(name, data)
    return name


def fill() -> dict[str, bytes]:
    """Make a row of each kind, and return its files' bytes by kind."""
    drawn = image("ig_1")
    ImageVariant.objects.create(
        image=drawn, form="model:x", file=stored("variants", b"variant")
    )
    PartialImage.objects.create(image=drawn, index=0, file=stored("images", b"partial"))
    Attachment.objects.create(
        pk="atc_1",
        owner="user:1",
        kind="file",
        name="fox",
        mime_type="text/plain",
        file=stored("attachments", b"attachment"),
        upload=stored("uploads", b"upload"),
    )
    return read()


def read() -> dict[str, bytes]:
    models = (GeneratedImage, ImageVariant, PartialImage, Attachment)
    rows = [model._default_manager.get() for model in models]
    return {
        f"{type(row).__name__} {column}": bytes_of(row, column)
        for row in rows
        for column in ("file", "thumbnail", "upload")
        if getattr(row, column, None)
    }


def bytes_of(row: WithStorage, column: str = "file") -> bytes:
    return storage.read(*row.blobs(column)[0])


def names_in(alias: str) -> set[str]:
    return set(storage.listed_names(alias))


def move(*args: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command("chatkit_images_move_storage", *args, stdout=out, **options)
    return out.getvalue()


def test_all_files_move_there_and_back(settings: Any) -> None:
    before = fill()
    first = names_in("disk")
    assert len(before) == len(first) == 6
    put_into(settings, "bucket")

    said = move("disk", "bucket")

    assert "Moved 1 rows of GeneratedImage." in said and "Copied 6 files" in said
    assert read() == before
    # No copy has the name of a file that somebody may be about to delete.
    assert len(names_in("bucket")) == 6 and not names_in("bucket") & first
    rows = [*GeneratedImage.objects.all(), *Attachment.objects.all()]
    assert {row.stored_in for row in rows} == {"bucket"}
    # Whoever has read a row before may still read its files.
    assert names_in("disk") == first
    assert storage.read(next(iter(first)), "disk")

    put_into(settings, "disk")
    move("bucket", "disk")
    assert read() == before
    assert len(names_in("disk")) == 12
    later = timezone.now() - datetime.timedelta(1)
    DeletedFile.objects.update(due_at=later)
    maintenance.sweep()
    assert (len(names_in("disk")), names_in("bucket")) == (6, set())
    assert read() == before


def test_a_move_that_is_killed_leaves_few_copies(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        image(f"ig_{number}")
    put_into(settings, "bucket")

    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(moving, "_name", die)
    with pytest.raises(KeyboardInterrupt):
        move("disk", "bucket", threads=2)
    # An image and its thumbnail, of two rows for each thread.
    assert len(names_in("bucket")) <= 2 * 2 * 2
    monkeypatch.undo()
    assert "Moved 12 rows of GeneratedImage." in move("disk", "bucket", threads=2)


def test_old_copies_stay_until_they_are_due(settings: Any) -> None:
    fill()
    put_into(settings, "bucket")
    move("disk", "bucket")
    maintenance.sweep()
    assert len(names_in("disk")) == 6
    assert DeletedFile.objects.count() == 6
    least = timezone.now() + datetime.timedelta(seconds=3600)
    assert not DeletedFile.objects.exclude(due_at__gt=least).exists()


def test_old_copies_go_at_once_with_their_rows(settings: Any) -> None:
    row = image("ig_1")
    for source, target in (("disk", "bucket"), ("bucket", "disk")):
        put_into(settings, target)
        move(source, target)
    assert (len(names_in("disk")), len(names_in("bucket"))) == (4, 2)
    other = image("ig_2", "green")
    fresh(row).delete()
    storage.drain()
    assert names_in("disk") == {blob.name for blob in other.blobs()}
    assert names_in("bucket") == set()


def test_rows_of_before_are_where_the_installation_says(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installations, "_before", {})
    Installation.objects.all().delete()
    Installation.objects.create(storage_alias="disk")
    row = image("ig_1")
    GeneratedImage.objects.update(storage_alias="")
    put_into(settings, "bucket")
    row.refresh_from_db()
    assert (row.stored_in, bytes_of(row)) == ("disk", image_file("red"))
    move("disk", "bucket")
    row.refresh_from_db()
    assert (row.storage_alias, bytes_of(row)) == ("bucket", image_file("red"))


def test_what_is_being_generated_stays_for_the_next_move(settings: Any) -> None:
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    row = GeneratedImage.objects.create(thread=thread, call_id="ig_1")
    PartialImage.objects.create(image=row, index=0, file=stored("images", b"partial"))
    put_into(settings, "bucket")
    assert "1 images are being generated: move again." in move("disk", "bucket")
    assert PartialImage.objects.get().stored_in == "disk"
    row.refresh_from_db()
    row.end("failed")
    move("disk", "bucket")
    row.refresh_from_db()
    assert (row.stored_in, bytes_of(row)) == ("bucket", b"partial")


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_row_whose_file_is_not_as_it_says_stays_where_it_is(
    settings: Any, harm: str
) -> None:
    lost, sound = image("ig_1"), image("ig_2", "green")
    path = Path(
        lost.file.storage.alias and settings.STORAGES["disk"]["OPTIONS"]["location"]
    )
    path = path / str(lost.file.name)
    path.unlink() if harm == "missing" else path.write_bytes(image_file("blue"))
    put_into(settings, "bucket")
    errors = io.StringIO()
    with pytest.raises(CommandError, match="1 rows stay in 'disk'"):
        move("disk", "bucket", stderr=errors)
    assert f"GeneratedImage {lost.pk}: " in errors.getvalue()
    aliases = dict(GeneratedImage.objects.values_list("pk", "storage_alias"))
    assert aliases == {lost.pk: "disk", sound.pk: "bucket"}
    # Nothing of it is left behind there.
    assert names_in("bucket") == {blob.name for blob in fresh(sound).blobs()}


def fresh(row: GeneratedImage) -> GeneratedImage:
    return GeneratedImage.objects.get(pk=row.pk)


def test_a_row_that_changes_meanwhile_keeps_what_it_says(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = image("ig_1"), image("ig_2", "green")
    copy = copying.copy

    def meanwhile(blob: storage.Blob, target: storage.Blob, **more: Any) -> Any:
        if blob.name == gone.file.name:
            with own_connection():
                GeneratedImage.objects.filter(pk=gone.pk).delete()
        return copy(blob, target, **more)

    monkeypatch.setattr(copying, "copy", meanwhile)
    put_into(settings, "bucket")
    moved = maintenance.move_storage("disk", "bucket", threads=1)
    storage.drain()
    assert (moved.rows.total(), moved.failed) == (1, 0)
    assert names_in("bucket") == {blob.name for blob in fresh(kept).blobs()}


def test_spooled_files_move_too(settings: Any) -> None:
    row = image("ig_1")
    name = str(row.file.name)
    data = storage.read(name, "disk")
    storage.delete(name, "disk")
    storage.spool.keep(name, data)
    storage.spool.hand_over(name)
    put_into(settings, "bucket")
    move("disk", "bucket")
    call_command("chatkit_images_flush_spool", stdout=io.StringIO())
    assert not storage.spool.has(name)
    row.refresh_from_db()
    assert (row.stored_in, bytes_of(row)) == ("bucket", data)


def test_what_is_encrypted_moves_as_it_is(settings: Any) -> None:
    put_into(settings, "disk", FILE_CIPHER="tests.maintenance.test_move.Rot13")
    before = fill()
    for source, target in (("disk", "bucket"), ("bucket", "disk")):
        put_into(settings, target)
        move(source, target)
        assert read() == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nowhere", "bucket"), "STORAGES has no 'nowhere'"),
        (("disk", "disk"), "are the same storage"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(
    args: tuple[str, str], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        move(*args)


def test_a_dry_run_counts_and_a_warning_says_where_new_files_go() -> None:
    fill()
    errors = io.StringIO()
    counts = json.loads(move("disk", "bucket", "--dry-run", "--json", stderr=errors))
    assert counts["rows"] == {
        "GeneratedImage": 1,
        "ImageVariant": 1,
        "PartialImage": 1,
        "Attachment": 1,
    }
    assert "New files still go to 'disk'" in errors.getvalue()
    assert names_in("bucket") == set()


def test_large_files_are_not_held_in_memory(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fill()
    monkeypatch.setattr(copying, "IN_MEMORY", 5)
    put_into(settings, "bucket")
    move("disk", "bucket")
    assert read() == before


def test_an_image_whose_bytes_came_late_is_whole_before_it_moves(settings: Any) -> None:
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    row = GeneratedImage.objects.create(
        thread=thread, call_id="ig_1", status="interrupted", finished_at=timezone.now()
    )
    storage.store(storage.name_of("images", row.key, "png"), image_file("red"))
    put_into(settings, "bucket")
    move("disk", "bucket")
    row.refresh_from_db()
    assert (row.status, row.stored_in) == ("completed", "bucket")
    assert bytes_of(row) == image_file("red")


def test_a_failed_move_leaves_what_only_the_spool_has(settings: Any) -> None:
    row = image("ig_1")
    name = str(row.file.name)
    data = storage.read(name, "disk")
    for blob in row.blobs():
        storage.delete(*blob)
    storage.spool.keep(name, data)
    put_into(settings, "bucket")
    with pytest.raises(CommandError, match="1 rows stay"):
        move("disk", "bucket", stderr=io.StringIO())
    assert bytes_of(fresh(row)) == data


def test_two_moves_at_once_leave_one_copy(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = image("ig_1")
    copy, others = copying.copy, [1]

    def meanwhile(blob: storage.Blob, target: storage.Blob, **more: Any) -> Any:
        if others:
            others.pop()
            with own_connection():
                maintenance.move_storage("disk", "bucket")
        return copy(blob, target, **more)

    monkeypatch.setattr(copying, "copy", meanwhile)
    put_into(settings, "bucket")
    maintenance.move_storage("disk", "bucket", threads=1)
    storage.drain()
    assert names_in("bucket") == {blob.name for blob in fresh(row).blobs()}
    assert bytes_of(fresh(row)) == image_file("red")
