"""How much memory decoders take at once, in all threads of the process.

Each image has a limit of pixels, but what a decoder takes depends on the format, and a
few bytes may claim the most that is allowed. So a decoder gets its memory from one
budget before it starts, whoever asks for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ..conf import settings
from ..exceptions import ImageError

_changed = threading.Condition()
_held = 0
# Those who wait, in their order. A large image waits until it has its turn, and smaller
# ones that came later do not overtake it for ever.
_line: deque[object] = deque()
_mine = threading.local()


@contextmanager
def hold(size: int) -> Iterator[None]:
    """Have so many bytes of the budget; wait for them in a line.

    What a thread holds counts for what it does within, so no thread waits for itself.

    Raises:
        ImageError: If it is more than ``DECODE_MEMORY_BYTES``, however long one waits.
    """
    if size > settings.DECODE_MEMORY_BYTES:
        raise ImageError("too_heavy", "The image takes too much memory to decode.")
    already = getattr(_mine, "size", 0)
    more = max(0, size - already)
    _take(more, waits=not already)
    _mine.size = already + more
    try:
        yield
    finally:
        _mine.size = already
        _give_back(more)


def held() -> int:
    """Return how many bytes of the budget are taken now."""
    return _held


def _take(size: int, *, waits: bool) -> None:
    global _held
    with _changed:
        if waits:
            place = object()
            _line.append(place)
            try:
                _changed.wait_for(lambda: _line[0] is place and _fits(size))
            finally:
                _line.remove(place)
                _changed.notify_all()
        _held += size


def _fits(size: int) -> bool:
    return not _held or _held + size <= settings.DECODE_MEMORY_BYTES


def _give_back(size: int) -> None:
    global _held
    with _changed:
        _held -= size
        _changed.notify_all()
