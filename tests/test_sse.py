"""Comments while nothing happens, on the reader's side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from chatkit_images import sse


async def test_silence_is_filled_and_nothing_is_lost() -> None:
    gate = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"one"
        await gate.wait()
        yield b"two"

    seen = []
    async for chunk in sse.with_heartbeats(chunks(), 0.01):
        seen.append(chunk)
        if seen.count(sse.HEARTBEAT) == 3:
            gate.set()
    assert [chunk for chunk in seen if chunk != sse.HEARTBEAT] == [b"one", b"two"]
    assert seen.count(sse.HEARTBEAT) >= 3


async def test_a_reader_that_leaves_closes_what_it_read() -> None:
    closed = []

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    for wait in (False, True):
        reader = sse.with_heartbeats(chunks(), 0.01)
        assert await anext(reader) == b"one"
        if wait:
            assert await anext(reader) == sse.HEARTBEAT
        await reader.aclose()
    assert closed == [True, True]
