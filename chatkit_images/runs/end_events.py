"""The events with which a stream ends whose run has no result."""

from __future__ import annotations

import uuid
from typing import Any

from chatkit import types

from .. import models, times
from ..protocol import event_stream
from ..queries import endings
from .outcome import RunOutcome


def of(
    run_id: uuid.UUID,
    thread_id: str | None,
    end: RunOutcome,
    user: Any,
    *,
    noted: bool,
) -> list[bytes]:
    """Return the note of an answer, and the error event if nobody has stopped it.

    The release of the run leaves the note in the thread.

    Args:
        run_id: The run.
        thread_id: Its thread, if it has one.
        end: How it ends.
        user: Who reads it.
        noted: Whether the stream has the note already, or has no place for it.
    """
    run = models.Run(pk=run_id, thread_id=thread_id, status=end.status, **end.columns())
    events: list[types.ThreadStreamEvent] = []
    if thread_id and not noted:
        note = endings.note_of(run, times.now())
        events.append(types.ThreadItemDoneEvent(item=note))
    if end.status != models.Run.Status.CANCELLED:
        events.append(event_stream.failed(run, user))
    return [event_stream.chunk(event) for event in events]
