"""The events of an answer as bytes. One that cannot be written costs only itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from chatkit import types
from chatkit.server import ChatKitServer

from ..context import RequestContext
from . import encoding

logger = logging.getLogger(__name__)


class WritingMixin(ChatKitServer[RequestContext]):
    """Leaves out what cannot be written, such as an item with an object of Python."""

    async def _process_streaming(
        self, request: types.StreamingReq, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """Write the events, and close their generator however the stream ends."""
        events = self._process_streaming_impl(request, context)
        async with aclosing(self._written(events)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _written(
        self, source: AsyncGenerator[types.ThreadStreamEvent, None]
    ) -> AsyncGenerator[bytes, None]:
        """Write events, and close their generator at the end."""
        async with aclosing(source) as events:
            async for event in events:
                try:
                    data = self._serialize(event)
                except Exception:
                    _leave_out(event)
                    continue
                yield b"data: %b\n\n" % data

    async def _process_events(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[types.ThreadStreamEvent]],
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Process the events of an answer, without those that cannot be stored."""
        events = super()._process_events(thread, context, lambda: _writable(stream()))
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                yield event


async def _writable(
    source: AsyncIterator[types.ThreadStreamEvent],
) -> AsyncGenerator[types.ThreadStreamEvent, None]:
    """Yield the events whose items can be written, to a row and to the client."""
    try:
        async for event in source:
            # An update is not stored. There are many, so each is written once only.
            if not isinstance(event, types.ThreadItemUpdatedEvent):
                try:
                    encoding.dump(event)
                except Exception:
                    _leave_out(event)
                    continue
            yield event
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


def _leave_out(event: object) -> None:
    kind = getattr(event, "type", type(event).__name__)
    logger.exception("An event cannot be written and is left out: %s", kind)
