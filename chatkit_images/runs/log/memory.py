"""The log of a run in the memory of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class MemoryLog:
    """Chunks of a stream: one task appends, any number of readers follow.

    Appending never waits, so a slow reader does not slow the run.
    """

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._closed = False
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._chunks)

    def append(self, chunk: bytes) -> None:
        """Add a chunk."""
        self._chunks.append(chunk)
        self._wake()

    def close(self) -> None:
        """Say that no chunk will follow."""
        self._closed = True
        self._wake()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield every chunk from the first, until the log is closed."""
        position = 0
        while True:
            news = self._news
            while position < len(self._chunks):
                position += 1
                yield self._chunks[position - 1]
            if self._closed:
                return
            await news.wait()

    def _wake(self) -> None:
        # A new event for those who come to wait after this one has been read.
        news, self._news = self._news, asyncio.Event()
        news.set()
