"""One file with which something is wrong ends no job over all of them."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from io import BytesIO, StringIO
from threading import Event
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import CommandError, call_command
from django.test import RequestFactory

from chatkit_images import receiving, storage
from chatkit_images.maintenance import sweep
from chatkit_images.models import DeletedFile, GeneratedImage, Thread
from chatkit_images.queries import images
from chatkit_images.storage import spool
from chatkit_images.views.files import Keeping, ServedFile, file_response
from tests.image_files import image_file
from tests.tuning import tuned

pytestmark = pytest.mark.django_db(transaction=True)
RELEASED = Event()


def silent() -> Any:
    RELEASED.wait(30)


def broken() -> Any:
    raise KeyError("key 7")


def odd() -> Any:
    raise ValueError("cut")


class Hostile(FileSystemStorage):
    """A storage of a project's own, with which something is wrong for some files."""

    bad: dict[str, Any] = {}

    def _open(self, name: str, mode: str = "rb") -> Any:
        if name in self.bad:
            return self.bad[name]()
        return super()._open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        if name in self.bad:
            self.bad[name]()
        return super()._save(name, content)

    def delete(self, name: str) -> None:
        if name in self.bad:
            self.bad[name]()
        super().delete(name)

    def get_modified_time(self, name: str) -> Any:
        if name in self.bad:
            self.bad[name]()
        return super().get_modified_time(name)


@pytest.fixture
def bad(settings: Any) -> Iterator[dict[str, Any]]:
    """What happens to which file."""
    location = storages["default"].location  # type: ignore[attr-defined]
    backend = {"BACKEND": f"{__name__}.Hostile", "OPTIONS": {"location": location}}
    settings.STORAGES = settings.STORAGES | {"chatkit_images": backend}
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES,
        STORAGE_TIMEOUT=0.2,
        STORAGE_ATTEMPTS=1,
        SWEEP_GRACE_SECONDS=0,
        RUN_STALE_SECONDS=0.01,
    )
    RELEASED.clear()
    Hostile.bad = {}
    yield Hostile.bad
    RELEASED.set()


class Text(BytesIO):
    """A file that gives text."""

    def read(self, size: int | None = -1) -> Any:
        return "text"


class Short(BytesIO):
    """A file that gives less than all at once."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(10)


def image(call_id: str) -> GeneratedImage:
    thread, _ = Thread.objects.get_or_create(pk="thr_1", owner="user:1")
    row = GeneratedImage.objects.create(thread=thread, call_id=call_id)
    images.complete(row, receiving.store(image_file("red"), row.key))
    return row


def test_verify_names_files_that_cannot_be_read_and_goes_on(bad: Any) -> None:
    rows = [image(f"ig_{n}") for n in range(7)]
    for row, wrong in zip(
        rows,
        (silent, broken, odd, Text, lambda: Short(image_file("red"))),
        strict=False,
    ):
        bad[str(row.file.name)] = wrong
    storage.get_storage().delete(str(rows[6].file.name))
    out = StringIO()
    with pytest.raises(CommandError, match="5 images are not what"):
        call_command("chatkit_images_verify", stdout=out)
    found = {line.split()[1]: line for line in out.getvalue().splitlines()}
    for row, words in zip(
        rows,
        (
            "TimeoutError('The storage is silent",
            "KeyError('key 7')",
            "ValueError",
            "str",
        ),
        strict=False,
    ):
        line = found.pop(str(row.pk))
        assert line.startswith("unreadable") and words in line
    assert found == {str(rows[6].pk): f"missing {rows[6].pk} {rows[6].file.name}"}
    # A browser is told that the image may be there later, not that it is gone.
    for row in rows[1:4]:
        when = datetime.datetime.now(datetime.UTC)
        file = ServedFile(str(row.file.name), row.storage_alias, "image/png", when)
        request, keeping = RequestFactory().get("/"), Keeping(60)
        answer = file_response(request, file, filename="a.png", keeping=keeping)
        assert answer.status_code == 503 and answer["Retry-After"]


def test_the_sweep_names_files_that_are_refused_and_goes_on(
    bad: Any, caplog: pytest.LogCaptureFixture
) -> None:
    names = [storage.new_name("images", "png") for _ in range(9)]
    for name in names:
        storage.store(name, b"bytes")
    time.sleep(0.05)
    DeletedFile.objects.bulk_create(DeletedFile(name=name) for name in names[:4])
    lost = [image(f"ig_{n}") for n in range(2)]
    GeneratedImage.objects.update(file="", status="interrupted", error_code="")
    bad[names[0]], bad[names[1]], bad[names[4]] = silent, broken, odd
    for extension in ("gif", "jpg", "png"):
        bad[storage.name_of("images", lost[0].key, extension)] = broken
    settled = sweep(force=True)
    assert settled.troubles.counts["KeyError"] >= 2
    # The bytes that the storage does not give now may be an image yet.
    kept = storage.name_of("images", lost[0].key, "png")
    assert f"{kept} cannot be deleted" not in caplog.text
    there = {name for name in names if storage.get_storage().exists(name)}
    assert there == {names[0], names[1], names[4]}
    for name in there:
        assert name in caplog.text
    statuses = [GeneratedImage.objects.get(pk=row.pk).status for row in lost]
    assert statuses == ["interrupted", "completed"]
    bad.clear()
    assert sweep(force=True)["deleted files"] == 2


def test_the_flush_moves_what_stands_behind_a_file_that_is_refused(bad: Any) -> None:
    names = [storage.new_name("images", "png") for _ in range(6)]
    for name in names:
        spool.keep(name, b"bytes")
    time.sleep(0.05)
    bad[names[0]], bad[names[2]] = silent, odd
    with pytest.raises(CommandError, match="The storage refuses files"):
        call_command("chatkit_images_flush_spool", stdout=StringIO())
    assert set(spool.handed_over()) == {names[0], names[2]}
