"""Deletions of rows with files: few statements, and a note of each file."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext

from chatkit_images import deleted_files, storage
from chatkit_images.context import RequestContext
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    GeneratedImage,
    PartialImage,
    Thread,
    ThreadItem,
)
from chatkit_images.queries import sums, threads

pytestmark = pytest.mark.django_db(transaction=True)


def named(kind: str = "images") -> str:
    return storage.new_name(kind, "png")


def made(key: str, count: int, user: User | None = None, **values: Any) -> Thread:
    """Make a thread with items, images of two files, previews and attachments."""
    owner = f"user:{user.pk}" if user else "user:1"
    thread = Thread.objects.create(pk=key, owner=owner, user=user)
    for number in range(count):
        item = ThreadItem.objects.create(
            thread=thread, item_id=f"{number}", type="generated_image", payload={}
        )
        image = GeneratedImage.objects.create(
            thread=thread,
            item=item,
            call_id=f"ig_{number}",
            status="completed",
            file=named(),
            thumbnail=named("thumbnails"),
        )
        PartialImage.objects.create(image=image, index=0, file=named())
        Attachment.objects.create(
            pk=f"{key}_{number}",
            owner=owner,
            user=user,
            thread=thread,
            file=named("attachments"),
        )
    return thread


def files() -> set[str]:
    """Return the names of all files that rows have."""
    columns = [
        *GeneratedImage.objects.values_list("file", flat=True),
        *GeneratedImage.objects.values_list("thumbnail", flat=True),
        *PartialImage.objects.values_list("file", flat=True),
        *Attachment.objects.values_list("file", flat=True),
    ]
    return {str(name) for name in columns}


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Leave the notes where they are, and return the names in them."""
    monkeypatch.setattr(storage, "later", lambda *args: None)
    return lambda: list(DeletedFile.objects.values_list("name", flat=True))


@pytest.mark.parametrize("door", ["store", "rows", "user"])
def test_ten_images_take_as_many_statements_as_a_hundred(noted: Any, door: str) -> None:
    taken = []
    with transaction.atomic():
        sums.lock()  # Its row is made once.
    for number, count in enumerate((10, 99)):
        user = User.objects.create(username=f"{number}")
        thread = made(f"thr_{number}", count, user)
        expected = files()
        with CaptureQueriesContext(connection) as asked:
            if door == "store":
                context = RequestContext(owner=thread.owner, user=user)
                threads.delete(thread.pk, context)
            elif door == "rows":
                Thread.objects.filter(pk=thread.pk).delete()
            else:
                user.delete()
        assert sorted(noted()) == sorted(expected)
        assert files() == set()
        DeletedFile.objects.all().delete()
        taken.append(sum("INSERT" in query["sql"] for query in asked))
        taken.append(len(asked))
    # What is in one statement is bounded by the database.
    batch = connection.ops.bulk_batch_size
    fields = [f for f in DeletedFile._meta.concrete_fields if not f.primary_key]
    more = -(-4 * 99 // batch(fields, range(4 * 99))) - 1
    assert taken[2:] == [taken[0] + more, taken[1] + more]


def test_what_is_rolled_back_is_not_noted_and_may_be_deleted_again(noted: Any) -> None:
    thread = made("thr_1", 3)
    expected = files()
    rows = GeneratedImage.objects.filter(thread=thread)
    with transaction.atomic(), pytest.raises(RuntimeError), transaction.atomic():
        rows.delete()
        raise RuntimeError("Not now")
    assert noted() == []
    assert files() == expected
    with transaction.atomic():
        rows.delete()
        thread.delete()
    assert sorted(noted()) == sorted(expected)


def test_a_deletion_that_breaks_off_is_done_again_by_the_same_objects(
    noted: Any,
) -> None:
    thread = made("thr_1", 3)
    expected = files()

    def fail(**kwargs: Any) -> None:
        raise RuntimeError("Not now")

    for model in (Attachment, GeneratedImage, Thread):
        post_delete.connect(fail, sender=model)
        try:
            with pytest.raises(RuntimeError):
                thread.delete()
        finally:
            post_delete.disconnect(fail, sender=model)
        assert noted() == []
        assert files() == expected
    # One is gone meanwhile, and one is new.
    gone = thread.attachments.order_by("pk").last()
    assert gone is not None
    thread.attachments.filter(pk=gone.pk).delete()
    PartialImage.objects.create(
        image=thread.images.all()[0], index=1, file=(new := named())
    )
    thread.delete()
    assert sorted(noted()) == sorted({*expected, new})


def test_a_file_that_stays_keeps_its_note_and_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deleted_files, "PAGE", 4)
    names = [named() for _ in range(10)]
    for name in names:
        storage.store(name, b"bytes")
    DeletedFile.objects.bulk_create(DeletedFile(name=name) for name in names)
    stored = storages["default"]
    delete = type(stored).delete

    def refuse(self: Any, name: str) -> None:
        if name in (names[0], names[5]):
            raise PermissionError(name)
        delete(self, name)

    with monkeypatch.context() as refusing:
        refusing.setattr(type(stored), "delete", refuse)
        with pytest.raises(PermissionError):
            DeletedFile.objects.all().delete_files()
    left = set(DeletedFile.objects.values_list("name", flat=True))
    assert left == {names[0], names[5]}
    assert [name for name in names if stored.exists(name)] == [names[0], names[5]]
    with CaptureQueriesContext(connection) as asked:
        assert DeletedFile.objects.all().delete_files() == 2
    assert len([q for q in asked if "DELETE" in q["sql"]]) == 1
    assert not any(stored.exists(name) for name in names)


def test_notes_of_a_storage_that_is_no_more_stay() -> None:
    DeletedFile.objects.create(name=named(), storage_alias="gone")
    kept = DeletedFile.objects.create(name=(name := named()))
    storage.store(name, b"bytes")
    with pytest.raises(Exception, match="gone"):
        DeletedFile.objects.all().delete_files()
    assert not DeletedFile.objects.filter(pk=kept.pk).exists()
    assert DeletedFile.objects.count() == 1


@pytest.mark.parametrize("said", ["", "default"])
def test_what_a_row_names_by_now_is_not_deleted(said: str) -> None:
    """Whoever has written the note: the row has no other file."""
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    kept, gone = named(), named("thumbnails")
    for name in (kept, gone):
        storage.store(name, b"bytes")
    for alias in ("", "default"):
        DeletedFile.objects.create(name=kept, storage_alias=alias)
        DeletedFile.objects.create(name=gone, storage_alias=alias)
    GeneratedImage.objects.create(thread=thread, file=kept, storage_alias=said)
    GeneratedImage.objects.create(
        thread=thread, thumbnail=gone, storage_alias="other", identity="2"
    )
    with CaptureQueriesContext(connection) as asked:
        assert DeletedFile.objects.all().delete_files() == 2
    # One statement for all columns of files.
    assert [q["sql"].count("UNION") > 2 for q in asked].count(True) == 1
    assert storage.exists(kept)
    assert not storage.exists(gone)
    assert not DeletedFile.objects.exists()
