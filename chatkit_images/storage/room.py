"""How many uploads are in the works, for each owner and in all."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..conf import settings

# Files in all, and of one owner, who may be somebody that drops a folder.
MOST, SHARE = 64, 24
# The part of the bytes that is there for one owner.
PART = 2
_lock = threading.Lock()
_count: Counter[str] = Counter()
_bytes: Counter[str] = Counter()


class Full(Exception):
    """There is no room for another upload now.

    Attributes:
        for_all: Whether that is so for everybody, and not for this owner alone.
        retry_after: Seconds after which to try again. They differ, so that those who
            are refused together do not come back together.
    """

    def __init__(self, *, for_all: bool) -> None:
        super().__init__("Too many uploads are waiting.")
        self.for_all = for_all
        self.retry_after = random.uniform(2, 6)


def look(owner: str, size: int) -> None:
    """Look whether an upload has room now.

    Raises:
        Full: If it has none.
    """
    with _lock:
        _look(owner, size)


@contextmanager
def have(owner: str, size: int) -> Iterator[None]:
    """Have room for an upload, while it waits, is checked, and is stored.

    A single file always fits, whatever its size.

    Raises:
        Full: If there is none.
    """
    with _lock:
        _look(owner, size)
        _count[owner] += 1
        _bytes[owner] += size
    try:
        yield
    finally:
        with _lock:
            _count[owner] -= 1
            _bytes[owner] -= size
            if not _count[owner]:
                del _count[owner], _bytes[owner]


def _look(owner: str, size: int) -> None:
    limit = settings.UPLOAD_WAITING_BYTES
    count = _count.get(owner, 0)
    if count >= SHARE or (count and _bytes[owner] + size > limit // PART):
        raise Full(for_all=False)
    held = _bytes.total()
    if _count.total() >= MOST or (held and held + size > limit):
        raise Full(for_all=True)
