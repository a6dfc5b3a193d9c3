"""Storages that say in words of their own that a file is not there.

They are as django-storages' for Azure, whose files are asked for when they are read,
and for Dropbox, which refuses to delete what is gone.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.test import Client

from chatkit_images import file_urls, storage
from chatkit_images.context import RequestContext
from chatkit_images.maintenance import guard, marker, sweep
from chatkit_images.models import DeletedFile, GeneratedImage, Thread
from chatkit_images.storage import copying
from tests.image_files import image_file

pytestmark = pytest.mark.django_db(transaction=True)
CONTEXT = RequestContext(None, "user:1", "http://testserver")


class NotFound(Exception):
    """What the client of the service raises."""


class LateFile(BytesIO):
    """A file that is asked for when it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path: Path | None = path

    def read(self, size: int | None = -1, /) -> bytes:
        if self.path is not None:
            if not self.path.exists():
                raise NotFound(self.path)
            self.write(self.path.read_bytes())
            self.seek(0)
            self.path = None
        return super().read(size)


class Cloud(FileSystemStorage):
    is_down = False

    def _open(self, name: str, mode: str = "rb") -> Any:
        if self.is_down:
            raise NotFound("The service has no answer.")
        return LateFile(Path(self.path(name)))

    def exists(self, name: str) -> bool:
        if self.is_down:
            raise ConnectionError
        return super().exists(name)

    def delete(self, name: str) -> None:
        if not self.exists(name):
            raise NotFound(name)
        super().delete(name)

    def get_modified_time(self, name: str) -> Any:
        if not Path(self.path(name)).exists():
            raise NotFound(name)
        return super().get_modified_time(name)


@pytest.fixture(autouse=True)
def cloud(settings: Any) -> None:
    entry = {"BACKEND": f"{__name__}.Cloud"}
    settings.STORAGES = settings.STORAGES | {"default": entry}


def image() -> GeneratedImage:
    name, data = storage.new_name("images", "png"), image_file("red")
    storage.store(name, data)
    thread = Thread.objects.create(owner=CONTEXT.owner)
    facts = {"file": name, "mime": "image/png", "bytes": len(data)}
    return GeneratedImage.objects.create(thread=thread, status="completed", **facts)


def test_a_new_storage_is_claimed_by_the_first_job() -> None:
    guard()
    assert marker.is_ours("default")


def test_a_file_that_is_gone_is_told_from_one_that_cannot_be_read(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = image()
    path = file_urls.signed_url(row, CONTEXT).removeprefix(CONTEXT.base_url)
    assert client.get(path).status_code == 200
    with monkeypatch.context() as away:
        away.setattr(Cloud, "is_down", True)
        assert client.get(path).status_code == 503
    storage.delete(row.file.name)
    assert client.get(path).status_code == 410
    blob = storage.Blob(row.file.name, "default")
    with pytest.raises(FileNotFoundError):
        copying.copy(blob, storage.Blob(storage.renamed(blob.name), "default"))


def test_a_file_that_is_gone_counts_as_deleted() -> None:
    DeletedFile.objects.create(name=storage.new_name("images", "png"))
    assert sweep()["deleted files"] == 1
    assert not DeletedFile.objects.exists()


def test_a_file_that_goes_while_it_is_listed_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard()
    row = image()
    listdir = Cloud.listdir

    def listed(self: Cloud, path: str) -> Any:
        found = listdir(self, path)
        if found[1] and path.endswith(row.file.name[-39:-37]):
            storage.delete(row.file.name)
        return found

    monkeypatch.setattr(Cloud, "listdir", listed)
    assert sweep().troubles == []
    assert list(storage.listed_names()) == []


@pytest.mark.parametrize("backend", ["files", "a storage of the project's own"])
def test_folders_of_others_are_not_entered(settings: Any, backend: str) -> None:
    """Those of a file system are so: not everybody may list them."""
    if backend == "files":
        entry = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
        settings.STORAGES = settings.STORAGES | {"default": entry}
    row = image()
    for folder in ("lost+found", ".snapshot/images/ab", "@eaDir"):
        place = Path(settings.MEDIA_ROOT) / "chatkit_images" / folder
        place.mkdir(parents=True)
        (place / "loop").symlink_to(place / "loop")
    assert sweep().troubles == []
    assert [name for name, _ in storage.listing()] == [row.file.name]
