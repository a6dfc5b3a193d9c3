"""Copies of many megabytes, made so that other threads get their turn."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence

# At a few gigabytes a second one slice takes a few milliseconds. Smaller ones would
# make a thread beside a busy event loop wait for the lock again and again.
SLICE = 8 * 2**20


def slices(length: int) -> Iterator[slice]:
    """Yield the slices of a length, letting other threads run between them."""
    for start in range(0, length, SLICE):
        if start:
            # Without it, a waiting event loop gets the lock after 5 ms only.
            time.sleep(0)
        yield slice(start, start + SLICE)


def join(parts: Sequence[bytes | memoryview]) -> bytes:
    """Return the parts as one, like ``b"".join``."""
    if sum(map(len, parts)) <= SLICE:
        return b"".join(parts)
    # Its value is its own buffer, not one more copy.
    out = io.BytesIO()
    for part in parts:
        for some in slices(len(part)):
            out.write(part[some])
    return out.getvalue()
