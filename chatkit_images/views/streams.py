"""Responses that are streams of events."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncGenerator

from django.http import HttpRequest, StreamingHttpResponse

from .. import runs
from ..context import RequestContext
from ..contexts import working_for
from ..protocol import event_stream
from ..protocol.limits import limits_for
from ..run_state import current_context
from ..server import get_server
from .errors import RESUME

logger = logging.getLogger(__name__)
RUN = "ChatKit-Run"


def wants_resume(request: HttpRequest) -> bool:
    """Whether the client can resume where a stream was cut: it asks for numbers.

    A client that names the last event it has seen has asked for them before.
    """
    return request.headers.get(RESUME) == "1" or last_seen(request) > 0


def last_seen(request: HttpRequest) -> int:
    """Return the number of the last event that the client has seen; 0 if of none."""
    return event_stream.number_of(request.headers.get("Last-Event-ID", ""))


async def check_streams(context: RequestContext) -> None:
    """Refuse a reader who has too many streams open.

    A stream that a run of the reader's begins is none of those: runs have limits of
    their own.

    Raises:
        RequestRefused: With 429, after which the client tries again.
    """
    limits = await limits_for(get_server(), context)
    runs.supervisor().client_streams.check(context, limits)


class EventStream(StreamingHttpResponse):
    """A response whose body is a generator, which the sender of the response closes.

    Attributes:
        events: The generator.
    """

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, headers=event_stream.HEADERS)
        self.events = events


async def stream_response(
    run_id: uuid.UUID, events: runs.Batches, ids: bool
) -> EventStream:
    """Wait for the first event of a run, and return the stream.

    A failure before the first event still gets a status. A later failure ends the
    stream with an event, because a server may break if an exception escapes here. If
    the server drains and another process has the run, a client that can resume does so
    there.

    Args:
        run_id: The run.
        events: Its batches.
        ids: Whether the client can resume. Then the stream has the number of each
            event, and a header the id of the run.
    """
    context = current_context.get()
    # Whoever was admitted may lose the right to read on.
    streams = runs.supervisor().client_streams
    stream = None if context is None else streams.open(run_id, context)
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
                if stream and stream.shut:
                    with working_for(context):
                        last = event_stream.chunk(event_stream.ended(stream.words))
                    yield event_stream.encode([(0, last)], ids)
                    return
                yield event_stream.encode(batch, ids)
        except runs.drain.Draining:
            if ids:
                yield event_stream.CUT
        except Exception:
            # What is read fails here: a run tells of its own failure by itself.
            logger.exception("The stream of run %s is broken off", run_id)
            last = event_stream.chunk(event_stream.broken_off())
            yield event_stream.encode([(0, last)], ids)
        finally:
            streams.close(stream)
            await events.aclose()

    response = EventStream(body(first))
    if ids:
        response[RUN] = str(run_id)
    return response
