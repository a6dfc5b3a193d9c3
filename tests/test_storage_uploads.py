"""Bytes on their way to the storage: in time, on a disk first, few in memory."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.storage import storages

from chatkit_images import storage
from chatkit_images.exceptions import StorageUnavailable
from chatkit_images.storage import backend, backlog, disk, flushing, spool, whereabouts
from tests.tuning import tuned

Put = Callable[[str, bytes], None]


@pytest.fixture(autouse=True)
def no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row says where a file goes, so it goes where new files go."""
    monkeypatch.setattr(whereabouts, "ask", lambda names: {})


@pytest.fixture
def name() -> str:
    return storage.new_name("images", "png")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[threading.Event]:
    """A storage that does not answer until the test says so."""
    answer, put = threading.Event(), backend.put

    def wait(name: str, data: bytes, *where: str | None) -> None:
        assert answer.wait(60)
        put(name, data, *where)

    monkeypatch.setattr(backend, "put", wait)
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=0.05)
    yield answer
    answer.set()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that is not of this host."""
    monkeypatch.setattr(backend, "is_local", lambda *where: False)


def stored(name: str) -> bool:
    return storages["default"].exists(name)


async def test_a_silent_storage_is_left_to_itself_and_its_bytes_are_served(
    name: str, silent: threading.Event
) -> None:
    assert await storage.upload(name, b"bytes") is False

    assert storage.read(name) == b"bytes"
    assert list(spool.handed_over()) == [name]
    silent.set()
    while not stored(name):
        await asyncio.sleep(0.01)
    # The late write moves it along too, in the background.
    storage.flush_spool()
    storage.drain()
    assert storage.read(name) == b"bytes"


async def test_writes_that_have_not_begun_never_begin_once_given_up(
    silent: threading.Event, settings: Any
) -> None:
    names = [storage.new_name("images", "png") for _ in range(20)]
    await asyncio.gather(*(storage.upload(name, b"bytes") for name in names))

    assert set(spool.handed_over()) == set(names)
    # From here on nobody moves files out of the spool, as late writes have it done.
    with patch.object(flushing, "soon"):
        silent.set()
        # All threads are through with what they had, and with what waited for them.
        everybody = threading.Barrier(8)
        await asyncio.gather(*(storage.run(everybody.wait, 60) for _ in range(8)))
        storage.drain()
    assert sum(map(stored, names)) == 8


async def test_what_neither_storage_nor_spool_takes_is_told(
    name: str, silent: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(disk, "write", refuse)
    with pytest.raises(StorageUnavailable, match="Neither storage 'default' nor"):
        await storage.upload(name, b"bytes")


def test_bytes_for_a_storage_elsewhere_are_on_a_disk_first(
    name: str, elsewhere: None
) -> None:
    assert storage.keep(name, b"bytes") is True
    assert spool.has(name)
    # They are in the hands of this process: nobody else flushes them.
    assert list(spool.handed_over()) == []

    assert storage.store(name) is True
    # Until the row is complete a crash would need it.
    assert spool.has(name) and stored(name)
    spool.drop(name)
    assert storage.read(name) == b"bytes"


def test_bytes_for_this_hosts_storage_are_written_once(name: str) -> None:
    assert storage.keep(name, b"bytes") is False
    assert not spool.has(name)


def test_a_disk_that_refuses_does_not_keep_bytes_from_their_storage(
    name: str, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", refuse)
        assert storage.keep(name, b"bytes") is False
    assert storage.store(name, b"bytes") is True


async def test_more_bytes_than_fit_wait_on_a_disk(
    name: str, silent: threading.Event, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, STORAGE_MEMORY_BYTES=8)
    upload = asyncio.create_task(storage.upload(name, b"bytes"))
    await asyncio.sleep(0.01)

    other = storage.new_name("images", "png")
    assert not backlog.fits(5)
    assert storage.keep(other, b"bytes") is True
    # Given up, but still in the hands of the thread that hangs.
    assert await upload is False
    assert not backlog.fits(5)
    silent.set()
    while not backlog.fits(8):
        await asyncio.sleep(0.01)
    assert storage.keep(storage.new_name("images", "png"), b"bytes") is False


def test_a_file_that_its_process_left_behind_is_flushed_when_it_is_old(
    name: str, elsewhere: None, settings: Any
) -> None:
    storage.keep(name, b"bytes")
    assert storage.flush_spool(spool.handed_over(aged=True)) == []
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0)
    assert storage.flush_spool(spool.handed_over(aged=True)) == [name]
    assert not spool.has(name) and stored(name)


def test_a_write_takes_along_only_was_handed_over(
    name: str, elsewhere: None, settings: Any
) -> None:
    """What is only old may be an image that the takeover of its run looks for."""
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0)
    storage.keep(name, b"bytes")
    storage.store(storage.new_name("images", "png"), b"other")
    storage.drain()
    assert spool.has(name) and not stored(name)

    spool.hand_over(name)
    storage.store(storage.new_name("images", "png"), b"other")
    storage.drain()
    assert not spool.has(name) and stored(name)


def test_files_wait_in_the_order_in_which_they_were_left(settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=60)
    first, second, third, young = (storage.new_name("images", "png") for _ in range(4))
    for each in (first, second, third, young):
        spool.keep(each, b"bytes")
    spool.hand_over(first)
    # As one of an older version that was handed over a second ago.
    then = time.time() - 61
    os.utime(spool.path_of(second), (then, then))
    spool.hand_over(third)
    assert list(spool.handed_over()) == [first, third]
    assert list(spool.handed_over(aged=True)) == [second, first, third]
    spool.hand_over(first)
    assert list(spool.handed_over()) == [third, first]


def test_releasing_what_is_gone_is_fine(name: str) -> None:
    spool.hand_over(name)
    assert not spool.has(name)


def test_a_name_is_never_written_twice(name: str) -> None:
    """D03."""
    backend.put(name, b"first")
    backend.put(name, b"second")
    assert storage.read(name) == b"first"


def test_a_disk_without_links_gets_its_files_by_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    disk.write(tmp_path / "a" / "b", b"bytes", 0o640)
    assert (tmp_path / "a" / "b").read_bytes() == b"bytes"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o640
    assert list((tmp_path / "a").iterdir()) == [tmp_path / "a" / "b"]


@pytest.mark.row("O09")
async def test_decoding_does_not_queue_behind_a_storage_that_hangs(
    silent: threading.Event,
) -> None:
    names = [storage.new_name("images", "png") for _ in range(30)]
    uploads = [asyncio.create_task(storage.upload(name, b"bytes")) for name in names]
    await asyncio.sleep(0)
    assert await storage.decode(lambda: "decoded") == "decoded"
    await asyncio.gather(*uploads)


@pytest.mark.row("O09")
async def test_a_final_does_not_queue_behind_previews(silent: threading.Event) -> None:
    names = [storage.new_name("images", "png") for _ in range(30)]
    previews = [
        asyncio.create_task(storage.upload(name, b"bytes", lane="aside"))
        for name in names
    ]
    await asyncio.sleep(0)
    assert await storage.run(lambda: "stored") == "stored"
    await asyncio.gather(*previews)
