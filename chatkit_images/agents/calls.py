"""One image call as a state machine: it begins, and it ends once with an outcome."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from chatkit import types

from ..converters import DjangoResponseStreamConverter
from ..imaging import SentImage
from ..notes import WithheldImage
from . import finals, outcomes
from .call_notes import CallNotes
from .call_row import CallRow
from .finals import Final
from .outcomes import ImageOutcome, Status
from .partials import PartialImages

logger = logging.getLogger(__name__)
Emit = Callable[[types.ThreadStreamEvent], Awaitable[None]]
# Seconds between the events of a final image and the work on its thumbnail. The item is
# saved and sent meanwhile, without waiting for a core or a database connection.
HEADSTART = 0.01


class CallState(enum.Enum):
    """Where an image call is in its life; see ``ImageCall``."""

    BEGUN = enum.auto()
    ENDING = enum.auto()
    ENDED = enum.auto()


class ImageCall:
    """The life of one image call.

    =======  ====================================================================
    State    What the call does
    =======  ====================================================================
    BEGUN    Takes partial images and one final.
    ENDING   Has its final and saves it. Takes nothing more.
    ENDED    Has its outcome. Only an image that comes after all changes it.
    =======  ====================================================================

    ====================  =======  ==============================================
    From                  To       When
    ====================  =======  ==============================================
    BEGUN                 ENDING   ``take_final()``
    ENDING                ENDED    The final is saved, or there is nothing to save.
    BEGUN, ENDING         ENDED    ``end(outcome)``, once nothing is under way. A
                                   final that is saved until then wins.
    ENDING, ENDED         ENDING   ``take_final()`` with an image, if it has none: an
                                   error may be told before the image comes.
    ====================  =======  ==============================================

    Args:
        call_id: What tells the call apart from the others of its turn.
        provider_id: The provider's id of the call; may be empty.
        item: The item that stands for the call in the thread, without an image.
        converter: Stores what arrives.
        emit: Sends an event to the client.
        new_id: Makes an id for an item.
        columns: What is known of the image when its call begins.
    """

    def __init__(
        self,
        call_id: str,
        provider_id: str,
        item: types.GeneratedImageItem,
        converter: DjangoResponseStreamConverter,
        emit: Emit,
        new_id: Callable[[], str],
        columns: dict[str, Any],
    ) -> None:
        self.call_id = call_id
        self.state = CallState.BEGUN
        # What its source has sent last.
        self.final: Final | None = None
        # How the call ended, and the item that shows it. None until it has ended.
        self.outcome: ImageOutcome | None = None
        self.final_item: types.ThreadItem | None = None
        # The item beside it that says that it is only a preview.
        self.note: types.ThreadItem | None = None
        self._columns = columns
        self._item = item
        self._converter = converter
        self._emit = emit
        self._notes = CallNotes(call_id, item, converter, new_id)
        begin = partial(
            converter.begin_image, call_id, provider_id=provider_id, **columns
        )
        self._row = CallRow(begin)
        self._partials = PartialImages(call_id, converter, self._row, self._update)
        self._saving: asyncio.Task[None] | None = None

    @property
    def is_completed(self) -> bool:
        """Whether its image is stored."""
        return self.outcome is not None and self.outcome.status == Status.COMPLETED

    @property
    def items(self) -> list[types.ThreadItem]:
        """What the thread keeps of the call: nothing until it has ended."""
        return [item for item in (self.final_item, self.note) if item is not None]

    def take_partial(self, index: int, base64_image: SentImage) -> None:
        """Take a partial image, unless the call is ending."""
        if self.state is CallState.BEGUN:
            self._partials.take(index, base64_image)

    def take_final(self, final: Final) -> None:
        """Take the final, unless there is one. It does not wait for partial images.

        An image wins over whatever was said in its place.
        """
        if self.state is CallState.BEGUN:
            self.state, self.final = CallState.ENDING, final
            if final.image is None:
                # The newest partial image may be all that there will be to see.
                self._partials.hurry()
            else:
                self._partials.close()
            self._saving = asyncio.ensure_future(self._save(final))
        elif final.image is not None and (not self.final or not self.final.image):
            self.state, self.final = CallState.ENDING, final
            before = self._saving
            self._saving = asyncio.ensure_future(self._revive(final, before))

    async def wait(self) -> None:
        """Wait until nothing of this call is under way.

        Raises:
            Exception: Whatever has kept the final from being saved. A row that could
                not be made is no error yet: whatever needs the row makes it.
        """
        self._partials.hurry()
        await self._row.tried()
        await self._partials.idle()
        if self._saving is not None:
            await asyncio.wait([self._saving])
        for task in (self._partials.task, self._saving):
            if task is not None and not task.cancelled():
                task.result()

    async def end(self, outcome: ImageOutcome) -> None:
        """End the call, unless its final or an earlier outcome has ended it.

        The newest partial image of a stopped or interrupted call becomes its image.
        """
        try:
            await self.wait()
        except Exception as error:
            logger.exception("Image call %s failed on its way", self.call_id)
            arrived = self._converter.has_final(self.call_id)
            outcome = outcomes.unsaved(error, arrived=arrived)
        await self._end(outcome)

    async def _save(self, final: Final) -> None:
        await self._row.made()
        if final.image is None:
            await self._partials.idle()
        saved = await finals.save(final, self.call_id, self._converter, self._columns)
        if isinstance(saved, ImageOutcome):
            await self._end(saved)
        else:
            await self._end(final.outcome, saved)
            await asyncio.sleep(HEADSTART)
            await self._converter.save_thumbnail(self.call_id)

    async def _revive(self, final: Final, before: asyncio.Task[None] | None) -> None:
        """Show an image in the place of the words that were shown for it."""
        if before is not None:
            await asyncio.wait([before])
            if not before.cancelled() and (error := before.exception()) is not None:
                logger.warning("The reason of %s is not saved: %r", self.call_id, error)
        shown, self.state = self.final_item, CallState.ENDING
        await self._row.made()
        saved = await finals.save(final, self.call_id, self._converter, self._columns)
        if isinstance(saved, ImageOutcome):
            if shown is None:
                await self._end(saved)
            self.state = CallState.ENDED
            return
        if shown is None:
            await self._end(final.outcome, saved)
        else:
            self.state, self.outcome = CallState.ENDED, final.outcome
            self.final_item = self._item.model_copy(
                update={"id": shown.id, "image": saved}
            )
            await self._emit(types.ThreadItemReplacedEvent(item=self.final_item))
            if self.note is not None:
                await self._emit(types.ThreadItemRemovedEvent(item_id=self.note.id))
                self.note = None
        await asyncio.sleep(HEADSTART)
        await self._converter.save_thumbnail(self.call_id)

    async def _end(
        self, outcome: ImageOutcome, image: types.GeneratedImage | None = None
    ) -> None:
        if self.state is CallState.ENDED:
            return
        self.state, self.outcome = CallState.ENDED, outcome
        self._partials.close()
        if image is None:
            image = await self._end_row(outcome)
        if image is None:
            await self._show(self._notes.in_place(outcome))
            return
        if self._converter.is_completed(self.call_id):
            # What was not saved at first is saved now.
            self.outcome = ImageOutcome(Status.COMPLETED, facts=outcome.facts)
        await self._show(self._item.model_copy(update={"image": image}))
        if self.outcome.status != Status.COMPLETED:
            self.note = self._notes.beside(outcome)
            await self._emit(types.ThreadItemDoneEvent(item=self.note))

    async def _end_row(self, outcome: ImageOutcome) -> types.GeneratedImage | None:
        """End the row of a call without a final image; return what there is to see."""
        try:
            await self._row.made()
            return await self._converter.end_image(
                self.call_id, outcome.status, **outcome.columns()
            )
        except Exception:
            # The client learns the end all the same. If there is a row, the sweep ends
            # it later.
            logger.exception("The end of image call %s is not saved", self.call_id)
            return None

    async def _show(self, item: types.ThreadItem) -> None:
        """Show what the call has become. Of a withheld image clients get words."""
        self.final_item = item
        image = getattr(item, "image", None)
        if image is None or isinstance(image, WithheldImage):
            await self._emit(types.ThreadItemRemovedEvent(item_id=self._item.id))
        else:
            await self._update(image, 1.0)
        await self._emit(types.ThreadItemDoneEvent(item=item))

    async def _update(self, image: types.GeneratedImage, progress: float) -> None:
        update = types.GeneratedImageUpdated(image=image, progress=progress)
        event = types.ThreadItemUpdatedEvent(item_id=self._item.id, update=update)
        await self._emit(event)
