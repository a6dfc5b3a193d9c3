"""The life of an image call that the project's code makes, in a block of its own."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from typing import Any, cast

from .. import database, failures
from ..failures import Failure, Reason
from ..queries import failure_columns
from ..queries.sources import Source
from ..run_state import current_state
from . import outcomes
from .blocks import Block
from .calls import ImageCall
from .finals import Final
from .image_request import ImageRequest, find
from .open_calls import OpenCalls
from .told import Told

logger = logging.getLogger(__name__)
_numbers = count()
# The code of what was cancelled although its answer goes on: a tool took too long, or
# another one has failed beside it.
CANCELLED = outcomes.of_failure(Failure(Reason.INTERRUPTED, code="cancelled"))


class OwnCall(Told):
    """Begins a call, and ends it once, however its block ends.

    Args:
        calls: The calls of the stream in which the image is shown.
        request: What is asked for.
    """

    def __init__(self, calls: OpenCalls, request: ImageRequest) -> None:
        self._branch = calls.branch(f"own {next(_numbers)}", request.columns())
        super().__init__(self._branch.converter)
        request.prepare(self._converter)
        self._given = request.given
        # The index of the next partial image.
        self._next = 0
        self._block: Block | None = None
        self._settling: asyncio.Future[None] | None = None

    @property
    def _call(self) -> ImageCall | None:
        return next(iter(self._branch.calls), None)

    @property
    def was_cut(self) -> bool:
        """Whether the stream has cancelled the task of its block, as it closes."""
        return self._block is not None and self._block.was_cut

    async def _begin(self) -> None:
        if self._block is not None:
            raise RuntimeError("Each image needs a generating_image() of its own.")
        if self._branch.blocks.outcome is not None:
            raise RuntimeError("The answer ends, and shows no more images.")
        self._block = self._branch.blocks.begin()
        state = current_state.get()
        converter, register = self._converter, self._branch.register
        try:
            found: list[Source] = []
            if any(self._given.values()):
                found = await database.insist(find, self._given, converter.context)
            converter.sources.name(register.next_id, found)
            await register.begin(state.limits if state else None)
        except BaseException as error:
            await self._leave(error)
            raise

    async def _settle(self, final: Final) -> None:
        """Take the final and wait until the call has ended with it.

        A cancellation ends the waiting, and never what is saved.

        Raises:
            RuntimeError: If the call has its final already, or is not open.
        """
        call = self._open()
        if self._block is not None and self._block.leaving:
            raise RuntimeError("The block of this image has ended.")
        if call.final is not None and self._branch.blocks.outcome is None:
            raise RuntimeError("This image has its final already.")
        call.take_final(final)
        self._settling = asyncio.ensure_future(call.end(outcomes.NO_RESULT))
        await asyncio.shield(self._settling)

    def _open(self) -> ImageCall:
        if self._block is None or self._call is None:
            raise RuntimeError("An image is open within its block only.")
        return self._call

    async def _leave(self, error: BaseException | None) -> None:
        block = cast("Block", self._block)
        block.leaving = True
        ending = asyncio.ensure_future(self._end(block, error))
        ending.add_done_callback(block.end)
        await asyncio.shield(ending)

    async def _end(self, block: Block, error: BaseException | None) -> None:
        call = self._call
        if self._settling is not None:
            await asyncio.wait([self._settling])
        if call is None:
            return
        if self._branch.blocks.outcome is None:
            # Otherwise the stream closes, and ends all that is open.
            if isinstance(error, asyncio.CancelledError | GeneratorExit):
                # A stop or the server's end reaches the task that reads the stream.
                ours = self._branch.outbox.is_read_by(block.task)
                await call.end(outcomes.cut_off() if ours else CANCELLED)
            elif error is not None:
                failure = failures.of(error) or failure_columns.NO_RESULT
                call.take_final(Final(None, outcomes.of_failure(failure)))
            await call.end(outcomes.NO_RESULT)
        try:
            await self._converter.save_told(call.call_id)
        except Exception:
            logger.exception("What an image has used is not noted")

    def _tell(self, name: str, value: Any) -> None:
        if self._block is not None and self._block.leaving:
            raise RuntimeError(f"Set {name} within the block of the image.")
        self._converter.told[name] = value
