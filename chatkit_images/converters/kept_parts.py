"""Images and files as requests have them, kept between the turns of a process.

The history goes to the model on every turn. What is kept is neither read nor encoded
again. Names of files are random and never change, and whoever asks has found the name
in a row of their own.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from ..conf import settings

# The largest part of all that one file may be.
SHARE = 4
# Bytes that the name of a file takes, and its entry among the others.
OVERHEAD = 500


class Kept(NamedTuple):
    """A file as requests have it.

    Attributes:
        mime: The type of its bytes.
        size: How many bytes it has.
        text: Its bytes as a ``data:`` URL, or its words.
    """

    mime: str
    size: int
    text: str


# The name of a file, and the form of it.
Key = tuple[str, str]
_kept: OrderedDict[Key, Kept] = OrderedDict()
_lock = Lock()
_held = 0


def find(key: Key) -> Kept | None:
    """Return what is kept of a file."""
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
        return found


def keep(key: Key, value: Kept) -> None:
    """Keep a file while there is room: those that were used last stay."""
    global _held
    most = settings.MODEL_CACHE_BYTES
    if _size(value) > most // SHARE:
        return
    with _lock:
        _forget(key)
        _kept[key] = value
        _held += _size(value)
        while _held > most:
            _forget(next(iter(_kept)))


def clear() -> None:
    """Forget all files. For tests and benchmarks."""
    with _lock:
        for key in list(_kept):
            _forget(key)


def held() -> int:
    """Return how many bytes of memory are taken."""
    return _held


def _size(value: Kept) -> int:
    # A character of words takes up to four bytes.
    return sys.getsizeof(value.text) + OVERHEAD


def _forget(key: Key) -> None:
    """Forget one file; for who has the lock."""
    global _held
    if (gone := _kept.pop(key, None)) is not None:
        _held -= _size(gone)
