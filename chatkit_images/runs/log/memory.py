"""The log of a run in the memory of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import Context

from ...conf import settings
from .digest import Digest

Entry = tuple[int, bytes]
"""A chunk and its number; 0 for one after which nobody can read on."""
Batch = list[Entry]
Batches = AsyncGenerator[Batch, None]
Waiting = set[asyncio.Future[bool]]
# Bytes that a reader takes at once: what it holds while its client does not read.
BATCH_BYTES = 64 * 2**10
# Seconds from one batch of a reader to the next, unless it has been silent for longer:
# events that come faster are sent together, up to an item that is done.
BATCH_SECONDS = 0.02
DONE = b'data: {"type":"thread.item.done"'


class MemoryLog:
    """Chunks of a stream, numbered from 1: one task appends, many readers follow.

    Appending never waits, so a slow reader does not slow the run. Beyond
    ``RUN_LOG_BYTES`` the oldest chunks are folded into a digest, which a reader gets
    that has not come so far.

    Attributes:
        last: Number of the newest chunk.
        closed: Whether no chunk will follow.
        complete: Whether it was closed by the run's own end.
        readers: How many read it now.
        is_copy: Whether it may be behind the log that its readers began with.
    """

    def __init__(self) -> None:
        self.last = 0
        self.closed = False
        self.complete = False
        self.readers = 0
        self.is_copy = False
        self._first = 1
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._digest = Digest()
        # Number of the last chunk that the digest holds.
        self._digested = 0
        # Number of the newest item that is done: until they have it, readers do not let
        # more gather.
        self._done = 0
        # Readers that wait for the next chunk, and those that let some gather.
        self._waiting: Waiting = set()
        self._pausing: Waiting = set()

    def seed(self, number: int, chunks: list[bytes]) -> None:
        """Begin anew behind a number, with the digest of what was before it."""
        self._first, self.last, self._digested = number + 1, number, number
        self._chunks, self._bytes, self._digest = [], 0, Digest()
        self._done = 0
        for chunk in chunks:
            self._digest.add(chunk)
        self._wake()

    def append(self, chunk: bytes) -> None:
        """Add a chunk."""
        self.last += 1
        self._chunks.append(chunk)
        self._bytes += len(chunk)
        if self._bytes > settings.RUN_LOG_BYTES:
            self._trim()
        self._wake()
        if chunk.startswith(DONE):
            self._done = self.last
            self._resume()

    def close(self, complete: bool = True) -> None:
        """Say that no chunk will follow."""
        if not self.closed:
            self.closed, self.complete = True, complete
            self._wake()
            self._resume()

    def read(self, after: int = 0, idle: float | None = None) -> Batches:
        """Yield the chunks behind a number, until the log is closed.

        Args:
            after: Number of the last chunk that the reader has. Behind what was
                trimmed it gets the digest first, behind what never was everything.
            idle: Seconds of silence after which an empty batch is yielded.
        """
        return self.batches(after, False, idle)

    async def batches(self, after: int, join: bool, idle: float | None) -> Batches:
        """Do as ``read`` does; to join is to get first what the stream shows by now."""
        behind = self.is_copy and not self.complete
        position = 0 if after > self.last and not behind else after
        clock, yielded = asyncio.get_running_loop().time, 0.0
        self.readers += 1
        try:
            if join and self.last:
                batch, position = self.digest(self.last), self._digested
                yield batch
            while True:
                if position < self._first - 1:
                    # Trimmed: the reader is new, or slower than the run.
                    batch, position = self.digest(), self._digested
                    yield batch
                elif position < self.last:
                    batch = self._batch(position)
                    position = batch[-1][0]
                    yield batch
                    yielded = clock()
                elif self.complete and position > self.last:
                    position = 0
                elif self.closed:
                    return
                elif not await _within(idle, self._waiting):
                    yield []
                elif (
                    not self.closed
                    and self._done <= position
                    and (pause := yielded + BATCH_SECONDS - clock()) > 0
                ):
                    await _within(pause, self._pausing)
        finally:
            self.readers -= 1

    def digest(self, upto: int = 0) -> Batch:
        """Return the digest of the chunks up to a number, or further."""
        self._fold(upto)
        chunks = self._digest.chunks()
        # One that is cut off in the middle of it gets all of it again.
        return [(0, chunk) for chunk in chunks[:-1]] + [
            (self._digested, chunk) for chunk in chunks[-1:]
        ]

    def _batch(self, position: int) -> Batch:
        size, batch = 0, []
        # By index: an iterator would go through all that the reader has already.
        for index in range(position - self._first + 1, len(self._chunks)):
            chunk = self._chunks[index]
            position += 1
            size += len(chunk)
            batch.append((position, chunk))
            if size >= BATCH_BYTES:
                break
        return batch

    def _fold(self, upto: int) -> None:
        while self._digested < upto:
            self._digest.add(self._chunks[self._digested - self._first + 1])
            self._digested += 1

    def _trim(self) -> None:
        # By a quarter, so that it is not done for each chunk.
        keep, count = settings.RUN_LOG_BYTES * 3 // 4, 0
        for chunk in self._chunks:
            if self._bytes <= keep:
                break
            self._bytes -= len(chunk)
            count += 1
        self._fold(self._first + count - 1)
        del self._chunks[:count]
        self._first += count

    def _wake(self) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        for news in waiting:
            _settle(news, True)

    def _resume(self) -> None:
        for pause in self._pausing:
            _settle(pause, True)


async def _within(seconds: float | None, waiting: Waiting) -> bool:
    """Wait among others to be woken; ``False`` if it takes too long."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[bool] = loop.create_future()
    waiting.add(woken)
    timer = None
    if seconds is not None:
        timer = loop.call_later(seconds, _settle, woken, False, context=Context())
    try:
        return await woken
    finally:
        waiting.discard(woken)
        if timer is not None:
            timer.cancel()


def _settle(woken: asyncio.Future[bool], value: bool) -> None:
    if not woken.done():
        woken.set_result(value)
