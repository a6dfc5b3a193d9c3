"""Images and files as requests have them, kept between the turns of a process.

The history goes to the model on every turn. What is kept is neither read nor encoded
again. Names of files are random and never change, and whoever asks has found the name
in a row of their own.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

from ..conf import settings

# The largest part of all that one form of a file may be.
SHARE = 4
# Bytes that the name of a file takes, and its entry among the others.
OVERHEAD = 500
# Names of deleted files that are known. Whoever was at work with a file as it was
# deleted, as a turn or what is made ahead of one, may hand it in a moment later.
GONE = 1000


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
_kept: OrderedDict[str, dict[str, Kept]] = OrderedDict()
_gone: OrderedDict[str, None] = OrderedDict()
_lock = Lock()
_held = 0


def find(key: Key) -> Kept | None:
    """Return what is kept of a file."""
    name, form = key
    with _lock:
        found = _kept.get(name, {}).get(form)
        if found is not None:
            _kept.move_to_end(name)
        return found


def keep(key: Key, value: Kept) -> None:
    """Keep a file while there is room: those that were used last stay."""
    global _held
    name, form = key
    most = settings.MODEL_CACHE_BYTES
    if _size(value) > most // SHARE:
        return
    with _lock:
        if name in _gone:
            return
        forms = _kept.setdefault(name, {})
        if (old := forms.get(form)) is not None:
            _held -= _size(old)
        forms[form] = value
        _held += _size(value)
        _kept.move_to_end(name)
        while _held > most:
            _drop(next(iter(_kept)))


def forget(names: Iterable[str]) -> None:
    """Forget files that are deleted, for good."""
    with _lock:
        for name in names:
            _drop(name)
            _gone[name] = None
        while len(_gone) > GONE:
            _gone.popitem(last=False)


def clear() -> None:
    """Forget all files. For tests and benchmarks."""
    with _lock:
        for name in list(_kept):
            _drop(name)


def held() -> int:
    """Return how many bytes of memory are taken."""
    return _held


def _size(value: Kept) -> int:
    # A character of words takes up to four bytes.
    return sys.getsizeof(value.text) + OVERHEAD


def _drop(name: str) -> None:
    """Forget what is kept of one file; for who has the lock."""
    global _held
    _held -= sum(map(_size, _kept.pop(name, {}).values()))
