"""Image blocks: code in which a project generates images while an answer streams."""

from __future__ import annotations

import asyncio
from typing import Any

from .outcomes import ImageOutcome

# Seconds in which a block that is cut off must end. What it waits for is cancelled.
CUT_OFF = 5.0


class Block:
    """One block, from its beginning until the end of its image is saved.

    Attributes:
        task: The task in which it began, which a cut-off cancels.
        was_cut: Whether the stream has cancelled its task.
        leaving: Whether its code is through, so that there is nothing to cancel.
        over: Done when its image has ended.
    """

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.leaving = self.was_cut = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_held(self) -> bool:
        """Whether its end comes by itself. A task that is over has forgotten it."""
        return self.leaving or self.task is None or not self.task.done()

    def moved(self) -> list[asyncio.Future[Any]]:
        """Return what is done once this has ended, or is not held any more."""
        moved: list[asyncio.Future[Any]] = [self.over]
        if self.task is not None and not self.leaving:
            moved.append(self.task)
        return moved

    def end(self, _task: object = None) -> None:
        """Note that its image has ended. A task that is done can call this."""
        self.over.set_result(None)


class Blocks:
    """The image blocks of one stream.

    Attributes:
        outcome: How images end that are open while the stream closes; ``None`` before.
    """

    def __init__(self) -> None:
        self.outcome: ImageOutcome | None = None
        self._blocks: list[Block] = []

    def begin(self) -> Block:
        """Return a block that begins in the current task."""
        block = Block()
        self._blocks = [*self._open(), block]
        return block

    async def ended(self) -> None:
        """Wait for the blocks of other tasks: a tool may have left one behind."""
        while waiting := self._of_others():
            moved = [each for block in waiting for each in block.moved()]
            await asyncio.wait(moved, return_when=asyncio.FIRST_COMPLETED)

    def close(self, outcome: ImageOutcome) -> None:
        """Note how images end that are open, because the stream closes."""
        self.outcome = self.outcome or outcome

    async def cut(self, outcome: ImageOutcome) -> None:
        """Cancel what runs in the blocks, because the stream closes."""
        self.close(outcome)
        for block in (waiting := self._of_others()):
            if block.task is not None and not block.leaving:
                block.was_cut = True
                block.task.cancel()
        if waiting:
            await asyncio.wait([block.over for block in waiting], timeout=CUT_OFF)

    def _of_others(self) -> list[Block]:
        here = asyncio.current_task()
        return [
            block for block in self._open() if block.is_held and block.task is not here
        ]

    def _open(self) -> list[Block]:
        return [block for block in self._blocks if not block.over.done()]
