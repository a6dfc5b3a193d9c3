"""A disk in trouble: slow, broken, silent, full."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chatkit_images import storage
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, of_type
from tests.services import absent
from tests.tuning import tuned

from .test_storage_faults import patiently
from .watching import FORMATS, flush, in_storage, listen, only_image, served, spooled

# On a busy machine too; words that waited for a disk would come after the image.
IN_TIME, AT_ONCE = 15, 10
PROC = Path("/proc/self/fd")


@dataclass
class Disk:
    """What ``fsync`` does to the files below a folder.

    Attributes:
        folder: The storage's; the spool is on another disk.
        seconds: How long a write takes.
        error: What the disk refuses writes with.
        times: How many writes it refuses; ``None`` for every one.
        silent: Whether writes hang until the test lets go.
    """

    folder: Path
    seconds: float = 0
    error: int = 0
    times: int | None = None
    silent: bool = False
    met: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)

    def fsync(self, real: Callable[[int], None], fd: int) -> None:
        """Sync a file, or what there is of that."""
        path = Path(os.readlink(PROC / str(fd)))
        if not path.is_relative_to(self.folder) or path.is_dir():
            return real(fd)
        if self.times is not None and self.met >= self.times:
            return real(fd)
        self.met += 1
        time.sleep(self.seconds)
        if self.silent:
            self.let_go.wait(30)
        if self.error and not self.let_go.is_set():
            raise OSError(self.error, os.strerror(self.error), str(path))
        real(fd)


@dataclass(frozen=True)
class Case:
    """Trouble with a disk; the fields are those of ``Disk``.

    Attributes:
        takes: How long a write takes at least, which the words must not wait for.
        spooled: Whether the bytes are in the spool afterwards.
        timeout: The project's ``STORAGE_TIMEOUT``; short where a write never ends.
    """

    trouble: dict[str, Any]
    takes: float = 0
    spooled: bool = False
    timeout: float = 10


CASES = {
    "slow": Case({"seconds": 0.2}),
    "very-slow": Case({"seconds": 3}, takes=3),
    "fails-twice": Case({"error": errno.EIO, "times": 2}),
    "always-fails": Case({"error": errno.EIO}, spooled=True),
    "forbidden": Case({"error": errno.EACCES}, spooled=True),
    "silent": Case({"silent": True}, takes=1, spooled=True, timeout=1.5),
}


@pytest.fixture
def disk(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk of the storage, sound at first."""
    if not PROC.exists():
        absent("/proc")
    disk = Disk(Path(settings.MEDIA_ROOT).resolve())
    disk.times = 0
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: disk.fsync(real, fd))
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, STORAGE_BACKOFF_SECONDS=0.05, RUN_STALE_SECONDS=0.05
    )
    yield disk
    disk.let_go.set()


@pytest.mark.row("S15")
@pytest.mark.parametrize(
    ("form", "name"),
    [
        pytest.param(form, name, id=f"S15-disk-{name}-{form}")
        for name in CASES
        for form in FORMATS
    ],
)
async def test_an_image_survives_the_disk(
    disk: Disk,
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    form: str,
    name: str,
) -> None:
    case, data = CASES[name], FORMATS[form]
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, STORAGE_TIMEOUT=case.timeout
    )
    model.respond_with(Image(data=data, partials=1), Text("Done."))
    disk.times = None
    for key, value in case.trouble.items():
        setattr(disk, key, value)

    answer = await listen(chat, "a meadow")

    await patiently(lambda: disk.met)
    assert answer.done_at < IN_TIME
    assert answer.text_at < AT_ONCE
    if case.takes:
        assert answer.text_at < answer.done_at
        assert answer.done_at >= case.takes
    image = await only_image()
    assert image.status == "completed"
    assert (image.file.name in spooled()) is case.spooled
    assert await served(chat, answer.item) == data

    disk.times = 0
    disk.let_go.set()
    assert await flush()
    storage.drain()
    assert spooled() == []
    assert await in_storage(str(image.file.name)) == data
    assert await served(chat, answer.item) == data


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.CalledProcessError):
        absent("The permission to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def fill(folder: Path, spare: int = 0) -> Path:
    """Fill a disk up to some bytes; return the file to delete."""
    ballast = folder / "ballast"
    space = os.statvfs(folder)
    ballast.write_bytes(b"\0" * (space.f_bavail * space.f_frsize - spare))
    return ballast


@pytest.mark.row("S16")
@pytest.mark.parametrize("place", ["full", "full-within"])
@pytest.mark.parametrize(
    "form", [pytest.param(form, id=f"S16-{form}") for form in FORMATS]
)
async def test_an_image_survives_a_full_disk(
    small_disk: Path,
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    form: str,
    place: str,
) -> None:
    """The disk has no room, or not enough of it to end the file."""
    settings.MEDIA_ROOT = small_disk / "media"
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=0.05)
    data = FORMATS[form]
    if form == "svg":
        data = data.replace(b"/>", b">" + b" " * 9000 + b"</svg>")
    elif place == "full-within":
        # A page fits, the rest does not. What follows the image's end is cut off
        # by the app, so the image itself must be larger.
        data = noise(form)
    (small_disk / "media").mkdir()
    ballast = fill(small_disk, 4096 if place == "full-within" else 0)
    model.respond_with(Image(data=data, partials=1), Text("Done."))

    answer = await listen(chat, "a meadow")

    assert answer.done_at < IN_TIME
    assert answer.text_at < AT_ONCE
    image = await only_image()
    assert image.status == "completed"
    assert image.file.name in spooled()
    assert await served(chat, answer.item) == data
    # What did not fit is gone: no part of a file, whatever its name.
    assert not [p for p in (small_disk / "media").rglob("*") if p.is_file()]

    ballast.unlink()
    assert await flush()
    assert spooled() == []
    assert await in_storage(str(image.file.name)) == data


def noise(form: str) -> bytes:
    """Return an image of a format that cannot be compressed below a page."""
    import io

    from PIL import Image as PILImage

    side = 200
    image = PILImage.frombytes("RGB", (side, side), os.urandom(side * side * 3))
    out = io.BytesIO()
    image.save(out, form.upper())
    return out.getvalue()


@pytest.mark.row("S16")
@pytest.mark.parametrize("end", [pytest.param("failed", id="S16-both-disks-full")])
async def test_two_full_disks_are_told_of(
    small_disk: Path, chat: ChatClient, model: LoopbackAPI, settings: Any, end: str
) -> None:
    """There is no room anywhere: no row, no part of a file, and the person is told."""
    settings.MEDIA_ROOT = small_disk / "media"
    settings.CHATKIT_IMAGES |= {"SPOOL_DIR": small_disk / "spool"}
    for name in ("media", "spool"):
        (small_disk / name).mkdir()
    ballast = fill(small_disk)
    model.respond_with(Image(data=FORMATS["png"], partials=1), Text("Done."))

    answer = await listen(chat, "a meadow")

    image = await only_image()
    assert (image.status, image.error_code) == ("failed", "not_saved")
    assert image.file.name == ""
    events = [event for _, event in answer.events]
    assert done_items(events, "generated_image") == []
    assert of_type(events, "error") == []
    texts = [m["content"][0]["text"] for m in done_items(events, "assistant_message")]
    said = "The image was made but could not be saved. This site has a fault"
    assert [text for text in texts if text.startswith(said)]
    ballast.unlink()
    assert not [p for p in small_disk.rglob("*") if p.is_file()]
    model.respond_with(Image(data=FORMATS["png"], partials=0), Text("Done."))
    again = await listen(chat, "a meadow")
    assert await served(chat, again.item) == FORMATS["png"]
