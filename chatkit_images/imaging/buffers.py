"""Copies of many megabytes, made so that other threads get their turn."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

# At a few gigabytes a second one slice takes a few milliseconds. Smaller ones would
# make a thread beside a busy event loop wait for the lock again and again.
SLICE = 4 * 2**20


class Breath:
    """Lets other threads run after each slice of work that keeps the lock.

    Without it, a waiting event loop gets the lock after 5 ms only.
    """

    def __init__(self) -> None:
        self._left = SLICE

    def after(self, size: int) -> None:
        """Note that so many bytes are done."""
        self._left -= size
        if self._left <= 0:
            self._left = SLICE
            time.sleep(0)


def join(parts: Sequence[bytes | memoryview]) -> bytes:
    """Return the parts as one, like ``b"".join``."""
    if sum(map(len, parts)) <= SLICE:
        return b"".join(parts)
    # ``getvalue()`` returns its buffer without one more copy.
    out, breath = io.BytesIO(), Breath()
    for part in parts:
        for start in range(0, len(part), SLICE):
            breath.after(out.write(part[start : start + SLICE]))
    return out.getvalue()
