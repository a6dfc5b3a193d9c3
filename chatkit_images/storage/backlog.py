"""How many bytes wait for the storage in memory, so that they stay few."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from ..conf import settings

Kind = Literal["images", "uploads"]
# Anybody may send uploads, so those that wait take no room from images.
SHARES: dict[Kind, int] = {"images": 1, "uploads": 8}
_lock = threading.Lock()
_held: Counter[Kind] = Counter()


def fits(size: int, kind: Kind = "images") -> bool:
    """Whether so many more bytes may wait in memory.

    If not, a final or an upload goes to the spool, and a partial image is left out.
    """
    return _held[kind] + size <= settings.STORAGE_MEMORY_BYTES // SHARES[kind]


def take(size: int, kind: Kind = "images") -> None:
    """Count bytes as waiting until they are given back."""
    with _lock:
        _held[kind] += size


def give_back(size: int, kind: Kind = "images") -> None:
    """Count bytes as waiting no more."""
    take(-size, kind)


@contextmanager
def hold(size: int) -> Iterator[None]:
    """Count bytes of an image as waiting."""
    take(size)
    try:
        yield
    finally:
        give_back(size)
