"""Responses that are streams of events."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncGenerator

from django.http import HttpRequest, StreamingHttpResponse

from .. import runs
from ..protocol import event_stream

logger = logging.getLogger(__name__)
RESUME, RUN = "ChatKit-Resume", "ChatKit-Run"


def wants_resume(request: HttpRequest) -> bool:
    """Whether the client can read on where a stream was cut: it asks for numbers."""
    return request.headers.get(RESUME) == "1"


class EventStream(StreamingHttpResponse):
    """A response whose body is a generator that its sender can close.

    Attributes:
        events: The generator.
    """

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, headers=event_stream.HEADERS)
        self.events = events


async def stream_response(
    run_id: uuid.UUID, events: runs.Batches, ids: bool
) -> EventStream:
    """Return the stream of a run, its first event being there already.

    What fails before that still gets a status; what fails later ends the stream with an
    event, as a server may not survive what it cannot tell the client any more. That a
    run goes on elsewhere is no failure: who can read on does so there.

    Args:
        run_id: The run.
        events: Its batches.
        ids: Whether the client asked for what ChatKit.js does not know: the number of
            each event, and the run in a header.
    """
    try:
        first: runs.Batch = await anext(events, [])
    except BaseException:
        await events.aclose()
        raise

    async def body(batch: runs.Batch) -> AsyncGenerator[bytes, None]:
        try:
            if batch:
                yield event_stream.encode(batch, ids)
            async for batch in events:
                yield event_stream.encode(batch, ids)
        except runs.drain.Draining:
            if ids:
                yield event_stream.CUT
        except Exception:
            logger.exception("The stream of run %s is broken off", run_id)
            last = event_stream.chunk(event_stream.broken_off())
            yield event_stream.encode([(0, last)], ids)
        finally:
            await events.aclose()

    response = EventStream(body(first))
    if ids:
        response[RUN] = str(run_id)
    return response
