"""An answer, from its first event to its last, that leaves no image without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

from chatkit import types
from chatkit.server import ChatKitServer

from ..agents import trackers
from ..context import RequestContext
from ..models import GeneratedImage
from .open_images import OpenImages

Status = GeneratedImage.Status


class StreamEndMixin(ChatKitServer[RequestContext]):
    """Streams an answer and leaves no image open, however the answer ends."""

    async def _process_events(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[types.ThreadStreamEvent]],
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Stream an answer, then the ends of the images that it has left open.

        The SDK leaves the generator of the answer to the garbage collector when its
        own part fails or is cancelled, so the generator is closed here.
        """
        mine = trackers.get() is None
        if mine:
            trackers.set([])
        source = stream()
        # The SDK declares an iterator, but it is a generator.
        events = cast(
            "AsyncGenerator[types.ThreadStreamEvent, None]",
            super()._process_events(thread, context, lambda: source),
        )
        images = OpenImages()
        try:
            async with aclosing(events):
                async for event in events:
                    images.follow(event)
                    yield event
            for tracker in trackers.get() or ():
                await tracker.abandon(Status.FAILED, "stream_error")
            for event in images.end():
                yield event
        except asyncio.CancelledError:
            # handle_stream_cancelled() has ended the rows of the images.
            for event in images.end():
                yield event
            raise
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
            if mine:
                trackers.set(None)
