"""A directory of this host that keeps bytes until the storage has them.

A final image for a storage elsewhere is written here first: it comes only once, and the
process may die while it uploads. The file belongs to the process that wrote it until
``hand_over`` leaves it to the next flush. A file that was never handed over but is old
may be the only copy of an image whose process died. It is moved only after
``releases.take_over()``, which looks for it here.
"""

from __future__ import annotations

import os
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
    then = time.time() - HANDED_OVER
    with suppress(FileNotFoundError):  # Flushed or deleted meanwhile.
        os.utime(path_of(name), (then, then))


def drop(name: str) -> None:
    """Remove a file, if it is there."""
    path_of(name).unlink(missing_ok=True)


def has(name: str) -> bool:
    """Whether a file is in the spool."""
    return path_of(name).exists()


def handed_over(*, aged: bool = False) -> Iterator[str]:
    """Yield the names of the files that were handed over, the first one first.

    Args:
        aged: Also files that are older than ``RUN_STALE_SECONDS`` and were not handed
            over, or that an older version of this app has handed over.
    """
    root, now, stale = settings.SPOOL_DIR, time.time(), settings.RUN_STALE_SECONDS
    files = []
    for path in (root / folder()).glob("*/*/*"):
        # Another process may flush it meanwhile.
        with suppress(FileNotFoundError):
            modified = path.stat().st_mtime
            if modified < now - HANDED_OVER / 2:
                files.append((modified + HANDED_OVER, path))
            elif aged and modified <= now - stale:
                files.append((modified + stale, path))
    for _, path in sorted(files):
        name = path.relative_to(root).as_posix()
        if is_own(name):
            yield name


def unfinished() -> Iterator[tuple[Path, float]]:
    """Yield path and age in seconds of what a killed write left."""
    return disk.unfinished(settings.SPOOL_DIR / folder())
