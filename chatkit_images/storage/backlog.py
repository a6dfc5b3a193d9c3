"""How many bytes of images wait for the storage, so that they stay few."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..conf import settings

_lock = threading.Lock()
_held = 0


def fits(size: int) -> bool:
    """Whether so many more bytes may wait in memory.

    If not, a final goes to the spool and a partial image is left out.
    """
    return _held + size <= settings.STORAGE_MEMORY_BYTES


def take(size: int) -> None:
    """Count bytes as waiting until they are given back."""
    global _held
    with _lock:
        _held += size


def give_back(size: int) -> None:
    """Count bytes as waiting no more."""
    take(-size)


@contextmanager
def hold(size: int) -> Iterator[None]:
    """Count bytes as waiting."""
    take(size)
    try:
        yield
    finally:
        give_back(size)
