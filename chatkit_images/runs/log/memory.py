"""The log of a run in the memory of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from enum import Enum

from .chunks import Batch, Chunks
from .waiters import Waiters

Batches = AsyncGenerator[Batch, None]
# Seconds from one batch of a reader to the next, unless it has been silent for longer:
# events that come faster are sent together, up to an item that is done.
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
    ``RUN_LOG_BYTES`` the oldest chunks are folded into a digest, and a reader that has
    not come so far gets the digest instead. What is where is in ``Chunks``.

    A reader has a position, the number of the last chunk that it has. Invariants:

    - ``0 <= position <= last``, but for a reader of a copy: it may have begun with the
      log itself, so its position may be one that the copy has yet to reach.
    - A position only grows, so no reader gets a chunk twice. A number that never was
      counts as 0. It is known that it never was when the log is no copy, or a complete
      one.
    - A reader of a closed log ends as soon as its position is ``last``, or beyond it
      in a copy that was cut.

    Attributes:
        state: Whether chunks may follow, and else how it was closed.
        readers: How many read it now.
        is_copy: Whether the log itself is elsewhere, and may be ahead of this one.
    """

    def __init__(self, *, is_copy: bool = False) -> None:
        self.state = State.OPEN
        self.readers = 0
        self.is_copy = is_copy
        self._chunks = Chunks()
        # Readers that have got all wait for news. Those that were woken so soon after
        # a batch that more is about to come let it gather, until something is urgent.
        self._news = Waiters()
        self._urgency = Waiters()
        # Number of the newest chunk for which no reader may let others gather.
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

    def read(self, after: int = 0, idle: float | None = None) -> Batches:
        """Yield the chunks after a number, until the log is closed.

        Args:
            after: Number of the last chunk that the reader has. If chunks after it were
                trimmed, the digest comes first; after a number that never was comes
                everything.
            idle: Seconds of silence after which an empty batch is yielded.
        """
        return self.batches(after, False, idle)

    async def batches(self, after: int, join: bool, idle: float | None) -> Batches:
        """Do as ``read`` does; to join is to get first what the stream shows by now."""
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
        """Whether a number beyond the last may be one of the log that this copies."""
        return self.is_copy and self.state is not State.COMPLETE

    async def _gather(self, position: int, seconds: float) -> None:
        """Let chunks gather that come fast, unless the reader lacks an urgent one."""
        if seconds > 0 and self.state is State.OPEN and self._urgent <= position:
            await self._urgency.wait(seconds)
