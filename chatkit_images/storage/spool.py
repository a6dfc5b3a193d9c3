"""A directory of this host that keeps bytes until the storage has them.

A final image for a storage elsewhere is written here first: it comes only once, and the
process may die while it uploads. The file belongs to the process that wrote it until
``hand_over`` leaves it to the next flush. A file that was never handed over but is old
may be the only copy of an image whose process died. It is moved only after
``releases.take_over()``, which looks for it here.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..conf import settings
from . import disk, encryption
from .names import checked, folder, is_own

# Seconds by which a file is made older when it is handed over. No other file is as old,
# and the order stays. Some file systems know no time before 1980.
HANDED_OVER = 10**9
# Files of which the order is kept.
SLICE = 1000
# Hand-overs in this process.
_news = 0


def path_of(name: str) -> Path:
    """Return where a file is if it is spooled."""
    return settings.SPOOL_DIR / checked(name)


def keep(name: str, data: bytes) -> None:
    """Write a file that this process is about to store.

    Raises:
        OSError: If the disk refuses it.
        Exception: If it cannot be encrypted.
    """
    disk.write(path_of(name), encryption.encrypt(name, data))


def hand_over(name: str) -> None:
    """Leave a file to the next flush, after the files that were left before it."""
    global _news
    then = time.time() - HANDED_OVER
    with suppress(FileNotFoundError):  # Flushed or deleted meanwhile.
        os.utime(path_of(name), (then, then))
    _news += 1


def news() -> int:
    """Return a number that grows when this process hands a file over."""
    return _news


def drop(name: str) -> None:
    """Remove a file, if it is there."""
    path_of(name).unlink(missing_ok=True)


def has(name: str) -> bool:
    """Whether a file is in the spool."""
    return path_of(name).exists()


def handed_over(*, aged: bool = False) -> Iterator[str]:
    """Yield the names of the files that were handed over, about the first one first.

    The directory is read as the names are asked for, some ``SLICE`` files at a time,
    of which the first one comes first. Each file is looked at once, and has its turn,
    however many others come meanwhile.

    Args:
        aged: Also files that are older than ``RUN_STALE_SECONDS`` and were not handed
            over, or that an older version of this app has handed over.
    """
    root, stale = settings.SPOOL_DIR, settings.RUN_STALE_SECONDS
    files: list[tuple[float, str]] = []
    for entries in _folders(root / folder()):
        now = time.time()
        for entry in entries:
            # Another process may flush it meanwhile.
            with suppress(FileNotFoundError):
                modified = entry.stat().st_mtime
                name = Path(entry.path).relative_to(root).as_posix()
                if not is_own(name):
                    continue
                if modified < now - HANDED_OVER / 2:
                    files.append((modified + HANDED_OVER, name))
                elif aged and modified <= now - stale:
                    files.append((modified + stale, name))
        if len(files) >= SLICE:
            yield from (name for _, name in sorted(files))
            files = []
    yield from (name for _, name in sorted(files))


def _folders(root: Path) -> Iterator[list[os.DirEntry[str]]]:
    """Yield the entries of each folder of files, beginning anywhere.

    If jobs that are cut off began with the same folder each time, files in others could
    wait for ever.
    """
    paths = [path for kind in _listed(root) for path in _listed(kind.path)]
    begin = random.randrange(len(paths)) if paths else 0
    for path in paths[begin:] + paths[:begin]:
        yield _listed(path.path)


def _listed(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def unfinished() -> Iterator[tuple[Path, float]]:
    """Yield path and age in seconds of what a killed write left."""
    return disk.unfinished(settings.SPOOL_DIR / folder())
