"""The partial images of one call: they are stored and shown, or left out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chatkit import types

from ..converters import DjangoResponseStreamConverter
from ..imaging import SentImage
from ..receiving import whole
from .call_row import CallRow

logger = logging.getLogger(__name__)
Show = Callable[[types.GeneratedImage, float], Awaitable[None]]
# Seconds that a partial image rests before it is stored. If several come in a burst,
# the last one or the final is enough. A real model takes seconds for each.
REST = 0.05
# If the event loop was busy for more than BUSY seconds during a rest, the partial image
# rests again, but for no more than PATIENCE seconds: people are to see something.
BUSY, PATIENCE = 0.015, 1.0


class PartialImages:
    """Stores and shows the partial images of a call, one at a time.

    A partial image is disposable, because the next one or the final replaces it. So a
    newer one overtakes those that wait, and one that cannot be stored is left out.

    Args:
        call_id: The call.
        converter: Stores the partial images.
        row: The row of the call.
        show: Shows a stored partial image, with the progress between 0 and 1.
    """

    def __init__(
        self,
        call_id: str,
        converter: DjangoResponseStreamConverter,
        row: CallRow,
        show: Show,
    ) -> None:
        # Stores what waits, until nothing waits.
        self.task: asyncio.Task[None] | None = None
        self._call_id = call_id
        self._converter = converter
        self._row = row
        self._show = show
        self._progress = 0.0
        self._waiting: tuple[int, SentImage] | None = None
        self._closed = False
        self._hurried = asyncio.Event()

    def take(self, index: int, base64_image: SentImage) -> None:
        """Take a partial image. It replaces one that still waits."""
        self._waiting = (index, base64_image)
        if self.task is None or self.task.done():
            self.task = asyncio.ensure_future(self._store_waiting())

    def hurry(self) -> None:
        """Let nothing rest any more, because the call is about to end."""
        self._hurried.set()

    def close(self) -> None:
        """Drop what waits, and show nothing more."""
        self._closed = True
        self._waiting = None
        self.hurry()

    async def idle(self) -> None:
        """Wait until no partial image is being stored."""
        if self.task is not None:
            await asyncio.wait([self.task])

    async def _store_waiting(self) -> None:
        try:
            await self._row.made()
        except Exception as error:
            self._leave_out(error)
            return
        while self._waiting is not None:
            await self._rest()
            if self._closed:
                return
            (index, image), self._waiting = self._waiting, None
            try:
                stored = await self._converter.save_partial(
                    self._call_id, index, await whole(image)
                )
            except Exception as error:
                self._leave_out(error)
                continue
            if stored is None or self._closed:
                continue
            progress = self._converter.partial_image_index_to_progress(index)
            # An index may repeat or come late. The progress bar never goes back.
            self._progress = max(self._progress, min(progress, 0.99))
            await self._show(stored, self._progress)

    def _leave_out(self, error: Exception) -> None:
        logger.warning("A partial image of %s is left out: %r", self._call_id, error)

    async def _rest(self) -> None:
        """Wait a moment, and longer while the event loop has too much to do."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            before, busy = clock(), time.thread_time()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), REST)
                return
            now = clock()
            worked = time.thread_time() - busy + now - before - REST
            if worked < BUSY or now - began > PATIENCE:
                return
