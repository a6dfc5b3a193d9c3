"""One image call: its previews and its final image on their way to the storage."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from chatkit import types
from openai.types.responses.response_output_item import ImageGenerationCall

from .. import notices
from ..converters import DjangoResponseStreamConverter
from ..converters.responses import whole
from ..exceptions import ImageError, StorageUnavailable
from ..imaging import Base64Image
from ..models import GeneratedImage
from ..run_state import base64_of

logger = logging.getLogger(__name__)
Status = GeneratedImage.Status
Emit = Callable[[types.ThreadStreamEvent], Awaitable[None]]
# Seconds that a preview rests before it is stored. Of a burst the last one is enough,
# or the final: a model that makes previews takes seconds for each.
REST = 0.05
# An event loop that has worked for so long meanwhile, or was so late, has no time for
# what is disposable; but nobody is to see nothing at all for longer than that. Seconds.
BUSY, PATIENCE = 0.015, 1.0
# Seconds that the item of an image has to be saved and sent, before a core and a
# connection are busy with its thumbnail.
HEADSTART = 0.01


class ImageCall:
    """The life of one call, from its first event to exactly one end.

    Previews go out one at a time and a newer one overtakes those that wait; the
    final starts at once and waits for nothing.
    """

    def __init__(
        self,
        call_id: str,
        item: types.GeneratedImageItem,
        converter: DjangoResponseStreamConverter,
        emit: Emit,
        new_id: Callable[[], str],
        fields: dict[str, Any],
    ) -> None:
        self.call_id = call_id
        self.item = item
        self.ended = False
        self.saved: types.ThreadItem | None = None
        self._converter = converter
        self._emit = emit
        self._new_id = new_id
        self._progress = 0.0
        self._waiting: tuple[int, str | Base64Image] | None = None
        self._previews: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._final: asyncio.Task[None] | None = None
        self._begin = partial(converter.begin_image, call_id, **fields)
        self._begun = asyncio.ensure_future(self._begin())

    def offer_preview(self, index: int, base64_image: str | Base64Image) -> None:
        """Take a preview; one that still waits for its upload is dropped."""
        if self.ended or self._final:
            return
        self._waiting = (index, base64_image)
        if self._previews is None or self._previews.done():
            self._previews = asyncio.ensure_future(self._upload_previews())

    def offer_final(self, call: ImageGenerationCall, fields: dict[str, Any]) -> None:
        """Take what the call ended with, an image or a reason for none."""
        if self.ended or self._final:
            return
        self._waiting = None
        self._ending.set()
        self._final = asyncio.ensure_future(self._finish(call, fields))

    async def settled(self) -> None:
        """Wait until nothing of this call is under way.

        Raises:
            Exception: What the final has failed with. Without a row nothing is lost
                until somebody needs it, who tries again.
        """
        self._ending.set()
        for task in (self._previews, self._final):
            if task is not None:
                await asyncio.wait([task])
        await asyncio.wait([self._begun])
        for task in (self._previews, self._final):
            if task is not None and not task.cancelled():
                task.result()

    async def end(self, status: str, code: str = "", message: str = "") -> None:
        """End the call without a final image, unless it has ended already.

        A stopped or interrupted image keeps its newest preview as its file.
        """
        try:
            await self.settled()
        except Exception as error:
            logger.exception("Image call %s failed on its way", self.call_id)
            status, code, message = Status.FAILED, "not_saved", str(error)
        await self._end(status, error_code=code, error_message=message)

    async def _row(self) -> None:
        """Wait for the row, and make it if that has failed.

        An image may come a minute after its beginning, the database being back.
        """
        begun = self._begun
        if not begun.done():
            await asyncio.wait([begun])
        # Of several that wait the first one tries, and the others wait for that.
        if begun.exception() is not None and begun is self._begun:
            self._begun = asyncio.ensure_future(self._begin())
        await self._begun

    async def _finish(self, call: ImageGenerationCall, fields: dict[str, Any]) -> None:
        await self._row()
        if not call.result:
            blocked = is_blocked(call)
            await self._end(Status.BLOCKED if blocked else Status.FAILED, **fields)
            return
        try:
            image = await self._converter.save_final(
                self.call_id, await whole(base64_of(call.result)), **fields
            )
        except (ImageError, StorageUnavailable) as error:
            logger.warning("Image call %s has no result: %s", self.call_id, error)
            told = {"error_code": error.code, "error_message": str(error)}
            await self._end(Status.FAILED, **fields | told)
        else:
            await self._show(image)
            await asyncio.sleep(HEADSTART)
            await self._converter.save_thumbnail(self.call_id)

    async def _upload_previews(self) -> None:
        try:
            await self._row()
        except Exception as error:
            logger.warning("A preview of %s is left out: %r", self.call_id, error)
            return
        while self._waiting is not None:
            await self._rest()
            if self._final is not None:
                return
            (index, preview), self._waiting = self._waiting, None
            try:
                image = await self._converter.save_partial(
                    self.call_id, index, await whole(preview)
                )
            except Exception as error:
                # A preview is disposable; the next one or the final replaces it.
                logger.warning("A preview of %s is left out: %r", self.call_id, error)
                continue
            if image is None or self._final is not None or self.ended:
                continue
            progress = self._converter.partial_image_index_to_progress(index)
            # An index may repeat or come late; the bar never goes back.
            self._progress = max(self._progress, min(progress, 0.99))
            await self._update(image, self._progress)

    async def _rest(self) -> None:
        """Wait a moment, and on while the event loop has more to do than it can.

        Not once the call ends: then the newest preview is stored at once, or none.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            before, busy = clock(), time.thread_time()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), REST)
                return
            now = clock()
            worked = time.thread_time() - busy + now - before - REST
            if worked < BUSY or now - began > PATIENCE:
                return

    async def _show(self, image: types.GeneratedImage) -> None:
        self.ended = True
        await self._update(image, 1.0)
        self.saved = self.item.model_copy(update={"image": image})
        await self._emit(types.ThreadItemDoneEvent(item=self.saved))

    async def _update(self, image: types.GeneratedImage, progress: float) -> None:
        await self._emit(
            types.ThreadItemUpdatedEvent(
                item_id=self.item.id,
                update=types.GeneratedImageUpdated(image=image, progress=progress),
            )
        )

    async def _end(self, status: str, **fields: Any) -> None:
        if self.ended:
            return
        self.ended = True
        try:
            await self._row()
            image = await self._converter.end_image(self.call_id, status, **fields)
        except Exception:
            # The person is told all the same; the sweep settles the row, if any.
            logger.exception("The end of image call %s is not saved", self.call_id)
            image = None
        if image is not None:
            return await self._show(image)
        self.saved = notices.message(
            self._converter.message_id(self.call_id) or self._new_id(),
            self.item.thread_id,
            self.item.created_at,
            notices.reason(status, fields.get("error_code", "")),
        )
        await self._emit(types.ThreadItemRemovedEvent(item_id=self.item.id))
        await self._emit(types.ThreadItemDoneEvent(item=self.saved))


def is_blocked(call: ImageGenerationCall) -> bool:
    """Whether moderation is why a call has no image."""
    error = call.error
    return error is not None and (
        error.moderation_details is not None or error.code == "moderation_blocked"
    )
