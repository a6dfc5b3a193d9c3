"""A directory of this host that keeps bytes until the storage has them.

A final picture of a storage elsewhere is written here first: it comes only once, and
the process may die while it is sent. While such a file is young it is in the hands of
the process that wrote it; ``release`` or age hands it over to whoever flushes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..conf import settings
from . import disk
from .names import NAME, PREFIX, checked


def path_of(name: str) -> Path:
    """Return where a file is if it is spooled."""
    return settings.SPOOL_DIR / checked(name)


def keep(name: str, data: bytes) -> None:
    """Write a file that this process is going to store.

    Raises:
        OSError: If the disk refuses it.
    """
    disk.write(path_of(name), data)


def release(name: str) -> None:
    """Leave a file to whoever flushes the spool next."""
    then = time.time() - settings.RUN_STALE_SECONDS
    with suppress(FileNotFoundError):  # Flushed or deleted meanwhile.
        os.utime(path_of(name), (then, then))


def drop(name: str) -> None:
    """Forget a file; one that is not there is fine."""
    path_of(name).unlink(missing_ok=True)


def has(name: str) -> bool:
    """Whether a file is in the spool."""
    return path_of(name).exists()


def released() -> Iterator[str]:
    """Yield the names of the files that nobody is storing, oldest first."""
    root = settings.SPOOL_DIR
    limit = time.time() - settings.RUN_STALE_SECONDS
    files = []
    for path in root.glob(f"{PREFIX}/*/*/*"):
        # Another process may move it along meanwhile.
        with suppress(FileNotFoundError):
            modified = path.stat().st_mtime
            if modified <= limit:
                files.append((modified, path))
    for _, path in sorted(files):
        name = path.relative_to(root).as_posix()
        if NAME.fullmatch(name):
            yield name


def unfinished() -> Iterator[tuple[Path, float]]:
    """Yield path and age in seconds of what a killed write left."""
    return disk.unfinished(settings.SPOOL_DIR / PREFIX)
