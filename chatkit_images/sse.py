"""Server-sent events: the headers, and the bytes of a batch of chunks."""

from __future__ import annotations

import re

from .runs import Batch

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    # nginx would collect the stream, GZipMiddleware would compress it.
    "X-Accel-Buffering": "no",
    "Content-Encoding": "identity",
}
HEARTBEAT = b": keep-alive\n\n"
# A frame without its end: who can read on sees that the stream was cut, whatever else
# ends as it should.
CUT = b": elsewhere\n"
NUMBER = re.compile(r"\d{1,15}", re.ASCII)


def encode(batch: Batch, ids: bool) -> bytes:
    """Return the bytes of a batch; a comment if nothing has happened.

    Args:
        batch: Numbered chunks.
        ids: Whether the client asked for the numbers, to read on from one.
    """
    if not batch:
        return HEARTBEAT
    if not ids:
        return b"".join(chunk for _, chunk in batch)
    return b"".join(
        b"id: %d\n%b" % (number, chunk) if number else chunk for number, chunk in batch
    )


def number(last_event_id: str) -> int:
    """Return the number in a ``Last-Event-ID``; 0, from the first, if there is none."""
    return int(last_event_id) if NUMBER.fullmatch(last_event_id) else 0
