"""The log of a run in the memory of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from enum import Enum

from .chunks import Batch, Chunks
from .waiters import Waiters

Batches = AsyncGenerator[Batch, None]
# The fewest seconds between two batches of a reader. Events that come faster are sent
# together; an item that is done is sent at once.
BATCH_SECONDS = 0.02
DONE = b'data: {"type":"thread.item.done"'


class State(Enum):
    """Whether chunks may follow.

    A log begins as ``OPEN``. It is closed once, and stays as it was closed.
    """

    OPEN = "open"
    COMPLETE = "closed by the end of its run"
    CUT = "closed although its run may have written more"


class MemoryLog:
    """Chunks of a stream, numbered from 1: one task appends, many readers follow.

    Appending never waits, so a slow reader does not slow the run. Beyond
    ``RUN_LOG_BYTES`` the oldest chunks are folded into a digest, and a reader that
    lacks some of them gets the digest instead. ``Chunks`` holds both.

    A reader has a position, the number of the last chunk that it has. Invariants:

    - ``0 <= position <= last``, except for a reader of a copy. It may have begun with
      the log itself, so its position may be a number that the copy has yet to reach.
    - A position only grows, so no reader gets a chunk twice. A number beyond ``last``
      counts as 0 if the log is no copy, or is complete: no chunk ever had it.
    - A reader of a closed log ends as soon as its position is ``last``, or beyond it
      in a copy that was cut.

    Attributes:
        state: Whether chunks may follow; if not, how the log was closed.
        readers: How many read the log now.
        is_copy: Whether the log itself is elsewhere, and may be ahead of this copy.
    """

    def __init__(self, *, is_copy: bool = False) -> None:
        self.state = State.OPEN
        self.readers = 0
        self.is_copy = is_copy
        self._chunks = Chunks()
        # Readers that have all chunks wait for news. A reader that is woken soon after
        # its last batch lets more chunks gather, until one is urgent.
        self._news = Waiters()
        self._urgency = Waiters()
        # Number of the newest urgent chunk. A reader that lacks it must not wait.
        self._urgent = 0

    @property
    def last(self) -> int:
        """Return the number of the newest chunk."""
        return self._chunks.last

    @property
    def closed(self) -> bool:
        """Whether no chunk will follow."""
        return self.state is not State.OPEN

    @property
    def complete(self) -> bool:
        """Whether the log was closed by the end of its run."""
        return self.state is State.COMPLETE

    def seed(self, number: int, digest: list[bytes]) -> None:
        """Begin anew after a number, with the digest of all up to it."""
        self._chunks.restart(number, digest)
        self._urgent = 0
        self._news.wake()

    def append(self, chunk: bytes) -> None:
        """Add a chunk."""
        self._chunks.append(chunk)
        self._news.wake()
        if chunk.startswith(DONE):
            self._urgent = self._chunks.last
            self._urgency.wake()

    def close(self, complete: bool = True) -> None:
        """Say that no chunk will follow; a second call changes nothing."""
        if self.state is State.OPEN:
            self.state = State.COMPLETE if complete else State.CUT
            self._news.wake()
            self._urgency.wake()

    def nudge(self) -> None:
        """Give readers that wait an empty batch, so that they look around."""
        self._news.wake(False)

    def read(self, after: int = 0, idle: float | None = None) -> Batches:
        """Yield the chunks after a number, until the log is closed.

        Args:
            after: Number of the last chunk that the reader has. If chunks after it were
                trimmed, the digest comes first. If no chunk had this number, all come.
            idle: Seconds of silence after which an empty batch is yielded.
        """
        return self.batches(after, False, idle)

    async def batches(self, after: int, join: bool, idle: float | None) -> Batches:
        """Do as ``read``; with ``join`` yield first what the stream shows by now."""
        position, sent_at = after, 0.0
        clock = asyncio.get_running_loop().time
        chunks = self._chunks
        self.readers += 1
        try:
            if join and chunks.last:
                batch, position = chunks.digest(chunks.last), chunks.digested
                yield batch
            while True:
                if position > chunks.last and not self._may_be_behind:
                    position = 0
                if chunks.lack(position):
                    # The reader is new, or slower than the run.
                    batch, position = chunks.digest(), chunks.digested
                    yield batch
                elif position < chunks.last:
                    batch = chunks.after(position)
                    position = batch[-1][0]
                    yield batch
                    sent_at = clock()
                elif self.closed:
                    return
                elif await self._news.wait(idle):
                    await self._gather(position, sent_at + BATCH_SECONDS - clock())
                else:
                    yield []
        finally:
            self.readers -= 1

    def digest(self, upto: int = 0) -> Batch:
        """Return the digest of the chunks up to a number, or further."""
        return self._chunks.digest(upto)

    @property
    def _may_be_behind(self) -> bool:
        """Whether the log itself may have numbers beyond the last one of this copy."""
        return self.is_copy and self.state is not State.COMPLETE

    async def _gather(self, position: int, seconds: float) -> None:
        """Let more chunks gather, unless the reader lacks an urgent one."""
        if seconds > 0 and self.state is State.OPEN and self._urgent <= position:
            await self._urgency.wait(seconds)
