"""A copy of the database leaves the files of the other one alone."""

from __future__ import annotations

import datetime
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from django.utils import timezone

from chatkit_images import storage
from chatkit_images.context import RequestContext
from chatkit_images.contexts import working_for
from chatkit_images.maintenance import NotOurFiles, claim, guard, marker
from chatkit_images.models import GeneratedImage, Installation, Thread

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "chatkit_images/installation.json"


def path() -> Path:
    return Path(storages["default"].path(NAME))


def with_files(count: int, *, known: int) -> None:
    thread = Thread.objects.create(pk="thr_1", owner="user:1")
    for number in range(count):
        name = storage.new_name("images", "png")
        storage.store(name, b"bytes")
        if number < known:
            GeneratedImage.objects.create(
                thread=thread, identity=str(number), file=name, status="completed"
            )


def test_a_storage_is_claimed_at_the_first_job() -> None:
    guard()
    said = json.loads(path().read_text())
    assert said["installation"] == str(Installation.here().pk)
    assert set(said) == {"installation", "place", "claimed_at"}
    before = path().stat().st_ino
    guard()
    assert path().stat().st_ino == before
    # Nobody takes it for a file of a row.
    assert list(storage.listing()) == list(storage.listed_names()) == []


def test_another_database_is_refused_until_it_says_that_it_has_taken_over() -> None:
    guard()
    Installation.objects.update(id=uuid.uuid4())
    with pytest.raises(NotOurFiles, match=r"belong to another database \(.*--claim"):
        guard()
    with pytest.raises(NotOurFiles):
        guard(force=True)
    claim()
    guard()


def test_a_copy_of_the_database_is_refused(settings: Any) -> None:
    """It has the same rows, the id among them, and is elsewhere."""
    guard()
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"INSTALLATION": "staging"}
    with pytest.raises(NotOurFiles, match="of which this one is a copy"):
        guard()


@pytest.mark.parametrize(
    ("key", "value"), [("HOST", "db.staging.example"), ("PORT", "6543"), ("NAME", "b")]
)
def test_a_database_of_another_place_is_another(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    guard()
    monkeypatch.setitem(connection.settings_dict, key, value)
    with pytest.raises(NotOurFiles, match="of which this one is a copy"):
        guard()


def test_the_name_of_the_environment_holds_wherever_the_database_goes(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"INSTALLATION": "production"}
    guard()
    monkeypatch.setitem(connection.settings_dict, "HOST", "new.example")
    guard()


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.1", "/var/run/postgresql"])
def test_this_host_is_the_same_by_any_name(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "localhost")
    guard()
    monkeypatch.setitem(connection.settings_dict, "HOST", host)
    guard()


def test_files_that_are_mostly_unknown_are_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(marker, "UNKNOWN_AT_ONCE", 2)
    with_files(7, known=3)
    with pytest.raises(NotOurFiles, match="no marker, and 4 of 7 of its files are unk"):
        guard()
    assert not path().exists()
    # The name of a file may still be reserved only.
    known = set(GeneratedImage.objects.values_list("file", flat=True))
    name = next(n for n in storage.listed_names() if n not in known)
    GeneratedImage.objects.filter(identity="0").update(key=storage.key_of(name))
    guard()
    path().unlink()
    Thread.objects.all().delete()
    storage.drain()
    with_files(5, known=0)
    with pytest.raises(NotOurFiles):
        guard()
    guard(force=True)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 9000])
def test_what_is_no_marker_is_said_to_be_none(data: bytes) -> None:
    guard()
    path().write_bytes(data)
    with pytest.raises(NotOurFiles, match="is no marker. If the files there"):
        guard()
    claim()
    guard()


def test_tenants_have_markers_of_their_own() -> None:
    guard()
    with working_for(RequestContext(user=None, owner="user:1", tenant="acme")):
        guard()
    folder = path().parent
    assert (folder / "~acme" / "installation.json").exists()


class Odd(FileSystemStorage):
    """A storage of a project's own; it writes as Django does."""

    refused: str = ""

    def _open(self, name: str, mode: str = "rb") -> Any:
        if self.refused == "open":
            raise PermissionError("AccessDenied")
        return super()._open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        if self.refused == "save":
            raise PermissionError("read only")
        return super()._save(name, content)

    def listdir(self, path: str) -> Any:
        if self.refused == "listdir":
            raise ConnectionError("no listing today")
        if self.refused == "no listing":
            raise NotImplementedError
        return super().listdir(path)


@pytest.fixture
def odd(settings: Any, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    location = storages["default"].location  # type: ignore[attr-defined]
    backend = {"BACKEND": f"{__name__}.Odd", "OPTIONS": {"location": location}}
    settings.STORAGES = settings.STORAGES | {"odd": backend}
    return monkeypatch


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ("open", "'odd' cannot be read: PermissionError"),
        ("save", "'odd' cannot be written: PermissionError"),
        ("listdir", "'odd' has no marker, and cannot be listed: ConnectionError"),
    ],
)
def test_a_storage_that_does_not_say_is_left_alone(
    odd: pytest.MonkeyPatch, refused: str, words: str
) -> None:
    odd.setattr(Odd, "refused", refused)
    with pytest.raises(NotOurFiles, match=words):
        guard("odd")
    odd.undo()


def test_a_storage_without_a_listing_is_claimed(odd: pytest.MonkeyPatch) -> None:
    odd.setattr(Odd, "refused", "no listing")
    guard("odd")
    claim("odd")
    guard("odd")
    assert path().exists()
    Installation.objects.update(id=uuid.uuid4())
    with pytest.raises(NotOurFiles):
        guard("odd")


def test_the_first_of_two_databases_has_the_files(
    odd: pytest.MonkeyPatch, settings: Any
) -> None:
    read = storage.marker.read
    others = json.dumps({"installation": "x", "place": "y"}).encode()
    for alias in ("default", "odd"):
        path().unlink(missing_ok=True)

        def late(alias: str) -> bytes | None:
            found = read(alias)
            if found is None:
                path().parent.mkdir(parents=True, exist_ok=True)
                path().write_bytes(others)
            return found

        odd.setattr(storage.marker, "read", late)
        with pytest.raises(NotOurFiles, match="belong to another database"):
            guard(alias)
        assert path().read_bytes() == others
        assert [p.name for p in path().parent.iterdir()] == ["installation.json"]


def test_a_disk_that_is_not_mounted_is_not_claimed() -> None:
    with_files(2, known=1)
    away = storages["default"].location + "-away"  # type: ignore[attr-defined]
    Path(storages["default"].location).rename(away)  # type: ignore[attr-defined]
    # Its files may be in the spool of another host.
    guard()
    path().unlink()
    long_ago = timezone.now() - datetime.timedelta(days=30)
    GeneratedImage.objects.update(created_at=long_ago)
    with pytest.raises(NotOurFiles, match="no marker and no files, but rows name"):
        guard()
    assert not path().exists()
    claim()
    guard()
