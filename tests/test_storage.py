"""Files: whole or not at all, under names of ours, in the spool if need be."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

from chatkit_images import failures, storage
from chatkit_images.exceptions import StorageUnavailable
from chatkit_images.models import Attachment
from chatkit_images.storage import backend, lanes, spool, whereabouts
from tests.tuning import tuned


@pytest.fixture(autouse=True)
def no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row says where a file goes, so it goes where new files go."""
    monkeypatch.setattr(whereabouts, "ask", lambda names: {})


def media() -> list[str]:
    root = Path(storages["default"].location)  # type: ignore[attr-defined]
    return sorted(
        p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()
    )


def test_names_are_random_and_nobody_elses() -> None:
    names = {storage.new_name("images", "png") for _ in range(1000)}
    assert len(names) == 1000
    assert all(storage.NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "/etc/passwd",
        "chatkit_images/images/00/../../../secret.txt",
        "chatkit_images/images/ab/" + "0" * 32 + ".png\n",
        "chatkit_images/images/ab/" + "0" * 31 + ".png",
        "",
    ],
)
@pytest.mark.row("C12")
def test_other_names_are_refused_everywhere(name: str) -> None:
    for action in (
        lambda: storage.store(name, b"x"),
        lambda: storage.read(name),
        lambda: storage.delete(name),
    ):
        with pytest.raises(ValueError, match="Not a name made by chatkit_images"):
            action()
    assert media() == []


def test_what_is_stored_is_read_and_deleted() -> None:
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    assert storage.read(name) == b"bytes"
    assert media() == [name]
    storage.delete(name)
    storage.delete(name)
    assert media() == []
    with pytest.raises(FileNotFoundError):
        storage.read(name)


def test_a_write_that_breaks_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageUnavailable, match="Neither storage 'default' nor"):
        storage.store(storage.new_name("images", "png"), b"x" * 1000)
    assert media() == []


def modes(name: str) -> list[str]:
    """Return the permissions of a file and of all folders up to the storage's own."""
    root = Path(storages["default"].location)  # type: ignore[attr-defined]
    paths = [root / name, *(root / name).parents][: len(Path(name).parents) + 1]
    return [f"{path.stat().st_mode & 0o7777:o}" for path in paths]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_files_and_folders_have_djangos_permissions(settings: Any, mask: int) -> None:
    settings.FILE_UPLOAD_PERMISSIONS = 0o640
    settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o2750
    names = [storage.new_name("images", "png") for _ in range(2)]
    before = os.umask(mask)
    try:
        storage.store(names[0], b"bytes")
        # Folders that are there already stay as they are.
        Path(storages["default"].path(names[0])).parents[1].chmod(0o700)
        storage.store(names[1], b"bytes")
    finally:
        os.umask(before)
    assert modes(names[0]) == ["640", "2750", "700", "2750", "2750"]
    assert modes(names[1]) == ["640", "2750", "700", "2750", "2750"]


def test_permissions_that_django_leaves_alone_are_the_processs(settings: Any) -> None:
    settings.FILE_UPLOAD_PERMISSIONS = settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS = None
    name = storage.new_name("images", "png")
    before = os.umask(0o027)
    try:
        storage.store(name, b"bytes")
    finally:
        os.umask(before)
    assert modes(name) == ["640", "750", "750", "750", "750"]


class Flaky:
    """A storage that refuses some writes."""

    def __init__(self, real: Any, failures: int) -> None:
        self.real, self.failures, self.tries = real, failures, 0
        self.error: Exception = ConnectionError("the network is down")

    def save(self, name: str, content: Any, max_length: Any = None) -> str:
        self.tries += 1
        if self.tries <= self.failures:
            raise self.error
        return str(self.real.save(name, content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    proxy = Flaky(storages["default"], 0)
    monkeypatch.setattr(backend, "get_storage", lambda *where: proxy)
    return proxy


@pytest.mark.parametrize("error", [ConnectionError("down"), OSError(ENOSPC, "full")])
def test_a_refused_write_is_tried_again(flaky: Flaky, error: Exception) -> None:
    flaky.failures, flaky.error = 2, error
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    assert flaky.tries == 3
    assert media() == [name]
    assert list(storage.spool.handed_over()) == []


def test_an_expired_token_may_be_a_new_one_at_the_next_try(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto = pytest.importorskip("botocore.exceptions")
    told = {"Error": {"Code": "ExpiredToken", "Message": "The token has expired."}}
    flaky.failures, flaky.error = 2, boto.ClientError(told, "PutObject")
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    assert media() == [name]

    def refuse(name: str, data: bytes, *where: str | None) -> None:
        raise OSError(ENOSPC, "full")

    flaky.failures = 100
    monkeypatch.setattr(spool, "keep", refuse)
    with pytest.raises(StorageUnavailable) as raised:
        storage.store(storage.new_name("images", "png"), b"bytes")
    failure = failures.of(raised.value)
    assert failure is not None
    assert failure.may_retry


def test_bytes_wait_in_the_spool_until_a_write_gets_through(flaky: Flaky) -> None:
    flaky.failures = 3
    first, second = (storage.new_name("images", "png") for _ in range(2))
    storage.store(first, b"first")
    assert list(storage.spool.handed_over()) == [first]
    assert storage.read(first) == b"first"

    storage.store(second, b"second")
    storage.drain()

    assert media() == sorted([first, second])
    assert list(storage.spool.handed_over()) == []
    assert storage.read(first) == b"first"


def test_flushing_stops_at_a_storage_that_still_refuses(flaky: Flaky) -> None:
    flaky.failures = 100
    names = [storage.new_name("images", "png") for _ in range(2)]
    for name in names:
        storage.store(name, b"bytes")
    assert storage.flush_spool() == []
    assert set(storage.spool.handed_over()) == set(names)


def test_a_copy_made_by_a_second_try_is_dropped(flaky: Flaky) -> None:
    name = storage.new_name("images", "png")
    flaky.real.save(name, ContentFile(b"bytes"))
    storage.store(name, b"bytes")
    assert media() == [name]


class InPlace(FileSystemStorage):
    """A storage of a project's own; like Django's it writes in place."""

    keeps_files = False
    is_measured = True

    def size(self, name: str) -> int:
        if not self.is_measured:
            raise NotImplementedError("This storage knows no sizes.")
        return super().size(name)

    def delete(self, name: str) -> None:
        if not self.keeps_files:
            super().delete(name)


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> InPlace:
    real = InPlace(storages["default"].location)  # type: ignore[attr-defined]
    monkeypatch.setattr(backend, "get_storage", lambda *where: real)
    return real


@pytest.mark.parametrize("is_measured", [True, False])
@pytest.mark.parametrize("there", [b"", b"who", b"wrong", b"whole"])
def test_only_whole_bytes_pass_for_an_earlier_try(
    in_place: InPlace, there: bytes, is_measured: bool
) -> None:
    """A full disk or a kill in the middle of a write leaves a cut file."""
    in_place.is_measured = is_measured
    name = storage.new_name("images", "png")
    in_place.save(name, ContentFile(there))
    assert storage.store(name, b"whole") is True
    assert media() == [name]
    assert Path(in_place.path(name)).read_bytes() == b"whole"


def test_a_flush_replaces_a_cut_file_before_it_forgets_the_bytes(
    in_place: InPlace,
) -> None:
    name = storage.new_name("images", "png")
    in_place.save(name, ContentFile(b"who"))
    spool.keep(name, b"whole")
    spool.hand_over(name)
    assert storage.flush_spool() == [name]
    assert not spool.has(name)
    assert media() == [name]
    assert storage.read(name) == b"whole"


def test_bytes_stay_in_the_spool_while_a_cut_file_has_their_name(
    in_place: InPlace, caplog: pytest.LogCaptureFixture
) -> None:
    in_place.keeps_files = True
    name = storage.new_name("images", "png")
    in_place.save(name, ContentFile(b"who"))
    spool.keep(name, b"whole")
    spool.hand_over(name)
    assert storage.flush_spool() == []
    assert storage.read(name) == b"whole"
    assert list(spool.handed_over()) == [name]
    assert f"InPlace saved {name!r} as " in caplog.text


class Renaming(FileSystemStorage):
    """A storage that gives names of its own."""

    def save(self, name: Any, content: Any, max_length: Any = None) -> str:
        return super().save(f"{name}.{self.__class__.__name__}", content, max_length)


def test_bytes_under_a_name_of_the_storages_own_go_to_the_spool(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Renaming(storages["default"].location)  # type: ignore[attr-defined]
    monkeypatch.setattr(backend, "get_storage", lambda *where: real)
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    assert storage.read(name) == b"bytes"
    assert list(storage.spool.handed_over()) == [name]
    assert media() == []
    assert f"Renaming saved '{name}' as '{name}.Renaming'; it must keep" in caplog.text


def test_a_file_that_leaves_the_spool_while_it_is_opened_is_found(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    # The moment between a look at the spool and the flush of another process.
    monkeypatch.setattr(Path, "exists", lambda self, **kwargs: True)
    assert storage.read(name) == b"bytes"


def test_a_spooled_file_that_goes_while_it_is_listed_is_passed_over(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    flaky.failures = 100
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    (settings.CHATKIT_IMAGES["SPOOL_DIR"] / name).with_name(".half.tmp").write_bytes(
        b"by"
    )
    gone = storage.new_name("images", "png")
    spool.keep(gone, b"bytes")
    scandir = os.scandir

    def late(path: Any) -> Any:
        found = scandir(path)
        if Path(path) == spool.path_of(gone).parent:
            found = nullcontext(list(found))
            spool.drop(gone)
        return found

    monkeypatch.setattr(os, "scandir", late)
    assert list(storage.spool.handed_over()) == [name]


def test_a_write_does_not_wait_for_the_spool(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky.failures = 6
    old = [storage.new_name("images", "png") for _ in range(2)]
    for name in old:
        storage.store(name, b"old")
    release, save, flushed = threading.Event(), flaky.save, []

    def slow(name: str, content: Any, max_length: Any = None) -> str:
        if name in old:
            flushed.append(name)
            assert release.wait(60)
        return save(name, content)

    monkeypatch.setattr(flaky, "save", slow, raising=False)
    new = [storage.new_name("images", "png") for _ in range(3)]
    for name in new:
        storage.store(name, b"new")
    assert media() == sorted(new)
    release.set()
    storage.drain()
    # One flush at a time: the second and third write began none.
    assert len(flushed) == 1
    assert media() == sorted([*new, *flushed])
    storage.store(storage.new_name("images", "png"), b"new")
    storage.drain()
    assert sorted(flushed) == sorted(old)
    assert list(storage.spool.handed_over()) == []


def test_without_a_spool_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(lanes, "later", begun.append)
    storage.store(storage.new_name("images", "png"), b"bytes")
    assert begun == []


def test_a_flush_that_breaks_is_logged_and_lets_the_next_one_begin(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    (settings.CHATKIT_IMAGES["SPOOL_DIR"] / storage.PREFIX).mkdir(parents=True)

    def broken() -> Any:
        raise OSError("the spool is broken")

    monkeypatch.setattr(spool, "handed_over", broken)
    for _ in range(2):
        storage.store(storage.new_name("images", "png"), b"bytes")
        storage.drain()
    assert caplog.text.count("The spool cannot be flushed") == 2


def test_work_of_a_process_that_ends_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    with monkeypatch.context() as patch:
        patch.setattr(lanes, "executor", lambda lane: ended)
        storage.later(print)
    assert "Left for the next process: RuntimeError" in caplog.text


def test_the_field_of_a_model_goes_the_same_way() -> None:
    row = Attachment(name="plan.pdf")
    row.file.save("../plan.PDF", ContentFile(b"%PDF-"), save=False)
    assert storage.NAME.fullmatch(str(row.file.name))
    assert str(row.file.name).endswith(".pdf")
    with row.file.open() as file:
        assert file.read() == b"%PDF-"
    assert row.file.size == 5
    assert row.file.storage.exists(str(row.file.name))
    assert row.file.url.endswith(str(row.file.name))
    row.file.save("x.exe!!", ContentFile(b"x"), save=False)
    assert str(row.file.name).endswith(".bin")
    row.file.delete(save=False)
    assert len(media()) == 1


@pytest.mark.row("O09")
@pytest.mark.row("S28")
async def test_storage_work_leaves_the_event_loop_free() -> None:
    release = threading.Event()
    held = asyncio.create_task(storage.run(release.wait, 60))
    await asyncio.sleep(0)
    release.set()
    assert await held is True


def test_a_spooled_file_that_another_process_took_is_passed_over(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky.failures = 100
    names = [storage.new_name("images", "png") for _ in range(2)]
    for name in names:
        storage.store(name, b"bytes")
    flaky.failures = 0
    listed = list(storage.spool.handed_over())
    storage.delete(listed[0])
    monkeypatch.setattr(spool, "handed_over", lambda: iter(listed))
    assert storage.flush_spool() == [listed[1]]
    assert media() == [listed[1]]


def test_a_flush_can_be_limited(flaky: Flaky) -> None:
    flaky.failures = 6
    for name in (storage.new_name("images", "png") for _ in range(2)):
        storage.store(name, b"bytes")
    assert len(storage.flush_spool(limit=1)) == 1
    assert len(list(storage.spool.handed_over())) == 1


def test_a_file_that_is_always_refused_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0.05)
    names = sorted(storage.new_name("images", "png") for _ in range(3))
    put = backend.put

    def picky(name: str, data: bytes, *where: str | None) -> None:
        if name == names[0]:
            raise OSError("not that one")
        put(name, data, *where)

    for name in names:
        spool.keep(name, b"bytes")
    time.sleep(0.1)
    monkeypatch.setattr(backend, "put", picky)
    for _ in range(4):
        storage.flush_spool(spool.handed_over(aged=True))
        time.sleep(0.1)
    assert list(spool.handed_over(aged=True)) == [names[0]]


def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which entries of directories are looked at."""
    looked: list[str] = []
    scandir = os.scandir

    def noted(path: Any) -> Any:
        with scandir(path) as found:
            entries = list(found)
        looked.extend(entry.name for entry in entries if entry.is_file())
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", noted)
    return looked


def test_moving_files_along_looks_at_each_of_them_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [storage.new_name("images", "png") for _ in range(100)]
    for name in names:
        spool.keep(name, b"bytes")
        spool.hand_over(name)
    looked = seen(monkeypatch)
    for number in range(100):
        storage.store(storage.new_name("images", "png"), b"new")
        storage.drain()
        assert len(list(filter(spool.has, names))) == 99 - number
    assert sorted(looked) == sorted(Path(name).name for name in names)


def test_what_is_left_in_an_empty_spool_is_moved_along_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = (storage.new_name("images", "png") for _ in range(2))
    spool.keep(first, b"bytes")
    spool.hand_over(first)
    for _ in range(2):
        storage.store(storage.new_name("images", "png"), b"new")
        storage.drain()
    looked = seen(monkeypatch)
    for _ in range(3):
        # Nothing is there, so nobody looks again.
        storage.store(storage.new_name("images", "png"), b"new")
        storage.drain()
    assert looked == []
    spool.keep(second, b"bytes")
    spool.hand_over(second)
    storage.store(storage.new_name("images", "png"), b"new")
    storage.drain()
    assert not spool.has(second)


def test_a_large_spool_is_read_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SLICE", 10)
    names = [storage.new_name("images", "png") for _ in range(100)]
    for name in names:
        spool.keep(name, b"bytes")
        spool.hand_over(name)
    looked = seen(monkeypatch)
    waiting = spool.handed_over()
    next(waiting)
    assert 10 <= len(looked) < 20
    assert len({*waiting}) == 99


def test_a_deletion_does_not_wait_for_the_flush(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = storage.new_name("images", "png")
    spool.keep(name, b"bytes")
    spool.hand_over(name)
    begun, release, done = (threading.Event() for _ in range(3))
    save = flaky.save

    def slow(saved: str, content: Any, max_length: Any = None) -> str:
        if saved == name:
            begun.set()
            assert release.wait(60)
        return save(saved, content)

    monkeypatch.setattr(flaky, "save", slow, raising=False)
    storage.store(storage.new_name("images", "png"), b"new")
    assert begun.wait(60)
    storage.later(done.set)
    assert done.wait(60)
    release.set()


def test_a_file_goes_to_the_storage_that_its_row_names(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "old"},
    }
    settings.STORAGES = settings.STORAGES | {"old": backend}
    names = [storage.new_name("images", "png") for _ in range(3)]
    old, unknown, late = names
    for name in names:
        spool.keep(name, b"bytes")
        spool.hand_over(name)
    asked: list[list[str]] = []

    def ask(names: list[str]) -> dict[str, str]:
        asked.append(names)
        return {old: "old", late: "old"} if old in names else {}

    monkeypatch.setattr(whereabouts, "ask", ask)
    assert sorted(storage.flush_spool()) == sorted(names)
    assert len(asked) == 1
    assert media() == [unknown]
    assert all((tmp_path / "old" / name).exists() for name in (old, late))


def test_files_stay_while_the_rows_do_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = storage.new_name("images", "png")
    spool.keep(name, b"bytes")
    spool.hand_over(name)

    def away(names: list[str]) -> dict[str, str]:
        raise ConnectionError("no database")

    monkeypatch.setattr(whereabouts, "ask", away)
    with pytest.raises(ConnectionError):
        storage.flush_spool()
    storage.store(storage.new_name("images", "png"), b"new")
    storage.drain()
    assert "The spool cannot be flushed" in caplog.text
    assert spool.has(name)
