"""Server-sent events: the headers of a stream and the bytes of its events.

A *chunk* is one event as ChatKit sends it. A client that asks to resume a stream also
gets the number of each chunk, in an ``id`` line before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from chatkit import types

from .. import failures, models, notes
from ..failures import Reason, for_staff
from .encoding import dump

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    # Without these nginx would buffer the stream and GZipMiddleware would compress it.
    "X-Accel-Buffering": "no",
    "Content-Encoding": "identity",
}
HEARTBEAT = b": keep-alive\n\n"
# A comment without the empty line after an event. It tells a client that can resume
# that the stream was cut, even if the connection was closed properly.
CUT = b": elsewhere\n"
NUMBER = re.compile(r"\d{1,15}", re.ASCII)


def chunk(event: types.ThreadStreamEvent) -> bytes:
    """Return an event as a chunk of a stream."""
    return b"data: %b\n\n" % dump(event)


def failed(run: models.Run, user: Any = None) -> types.ErrorEvent:
    """Return the event that ends the stream of a run without its result.

    A client shows the words of an event of this code only.

    Args:
        run: The row that says why.
        user: Who reads it, if that is known. Staff also read what mends it.
    """
    remedy = failures.rows.text_of(run, "remedy")
    return types.ErrorEvent(
        code="custom",
        message=for_staff(notes.words(run), remedy, user),
        allow_retry=notes.may_retry(run),
    )


def broken_off() -> types.ErrorEvent:
    """Return the event that ends a stream of which nothing more is known."""
    return failed(models.Run(status=models.Run.Status.INTERRUPTED))


def ended(words: str) -> types.ErrorEvent:
    """Return the event that ends the stream of somebody who may not chat any more.

    Args:
        words: What staff say about that, maybe nothing.
    """
    words = words or str(notes.WORDS[Reason.STOPPED_BY_STAFF])
    return types.ErrorEvent(code="custom", message=words, allow_retry=False)


def refusal(message: str, allow_retry: bool) -> bytes:
    """Return the only chunk of a stream that is refused."""
    event = types.ErrorEvent(code="custom", message=message, allow_retry=allow_retry)
    return chunk(event)


def encode(batch: Sequence[tuple[int, bytes]], ids: bool) -> bytes:
    """Return the bytes of a batch; a keep-alive comment if the batch is empty.

    Args:
        batch: Chunks with their numbers; 0 is the number of a chunk without one.
        ids: Whether the client asked for the numbers, to resume from one of them.
    """
    if not batch:
        return HEARTBEAT
    if not ids:
        return b"".join(data for _, data in batch)
    return b"".join(
        b"id: %d\n%b" % (number, data) if number else data for number, data in batch
    )


def number_of(last_event_id: str) -> int:
    """Return the number in a ``Last-Event-ID``; 0 if it has none."""
    return int(last_event_id) if NUMBER.fullmatch(last_event_id) else 0
