"""Files: whole or not at all, under names of ours, in the spool if need be."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from chatkit_images import storage
from chatkit_images.exceptions import StorageUnavailable
from chatkit_images.models import Attachment


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


class Flaky:
    """A storage that refuses some writes."""

    def __init__(self, real: Any, failures: int) -> None:
        self.real, self.failures, self.tries = real, failures, 0

    def save(self, name: str, content: Any, max_length: Any = None) -> str:
        self.tries += 1
        if self.tries <= self.failures:
            raise ConnectionError("the network is down")
        return str(self.real.save(name, content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    proxy = Flaky(storages["default"], 0)
    monkeypatch.setattr(storage, "get_storage", lambda: proxy)
    return proxy


def test_a_refused_write_is_tried_again(flaky: Flaky) -> None:
    flaky.failures = 2
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    assert flaky.tries == 3
    assert media() == [name]
    assert list(storage.spooled()) == []


def test_bytes_wait_in_the_spool_until_a_write_gets_through(flaky: Flaky) -> None:
    flaky.failures = 3
    first, second = (storage.new_name("images", "png") for _ in range(2))
    storage.store(first, b"first")
    assert list(storage.spooled()) == [first]
    assert storage.read(first) == b"first"

    storage.store(second, b"second")

    assert media() == sorted([first, second])
    assert list(storage.spooled()) == []
    assert storage.read(first) == b"first"


def test_flushing_stops_at_a_storage_that_still_refuses(flaky: Flaky) -> None:
    flaky.failures = 100
    names = [storage.new_name("images", "png") for _ in range(2)]
    for name in names:
        storage.store(name, b"bytes")
    assert storage.flush_spool() == 0
    assert set(storage.spooled()) == set(names)


def test_a_copy_made_by_a_second_try_is_dropped(flaky: Flaky) -> None:
    name = storage.new_name("images", "png")
    flaky.real.save(name, ContentFile(b"bytes"))
    storage.store(name, b"bytes")
    assert media() == [name]


def test_the_field_of_a_model_goes_the_same_way() -> None:
    row = Attachment(name="plan.pdf")
    row.file.save("../plan.PDF", ContentFile(b"%PDF-"), save=False)
    assert storage.NAME.fullmatch(str(row.file.name))
    assert str(row.file.name).endswith(".pdf")
    with row.file.open() as file:
        assert file.read() == b"%PDF-"
    assert row.file.size == 5
    assert row.file.storage.exists(row.file.name)
    assert row.file.url.endswith(str(row.file.name))
    row.file.save("x.exe!!", ContentFile(b"x"), save=False)
    assert str(row.file.name).endswith(".bin")
    row.file.delete(save=False)
    assert len(media()) == 1


async def test_storage_work_leaves_the_event_loop_free() -> None:
    import threading

    release = threading.Event()
    held = asyncio.create_task(storage.run(release.wait, 10))
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
    listed = list(storage.spooled())
    storage.delete(listed[0])
    monkeypatch.setattr(storage, "spooled", lambda: iter(listed))
    assert storage.flush_spool() == 1
    assert media() == [listed[1]]


def test_a_flush_can_be_limited(flaky: Flaky) -> None:
    flaky.failures = 6
    for name in (storage.new_name("images", "png") for _ in range(2)):
        storage.store(name, b"bytes")
    assert storage.flush_spool(limit=1) == 1
    assert len(list(storage.spooled())) == 1
