"""Server-sent events: the headers, and comments while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    # nginx would collect the stream, GZipMiddleware would compress it.
    "X-Accel-Buffering": "no",
    "Content-Encoding": "identity",
}
HEARTBEAT = b": keep-alive\n\n"
Chunks = AsyncGenerator[bytes, None]


async def with_heartbeats(chunks: Chunks, seconds: float) -> Chunks:
    """Yield chunks, and a comment after every so many seconds without one."""
    step: asyncio.Future[bytes] | None = None
    try:
        while True:
            step = step or asyncio.ensure_future(anext(chunks))
            done, _ = await asyncio.wait([step], timeout=seconds)
            if not done:
                yield HEARTBEAT
                continue
            try:
                chunk = step.result()
            except StopAsyncIteration:
                return
            step = None
            yield chunk
    finally:
        if step is not None and not step.done():
            step.cancel()
            await asyncio.wait([step])
        await chunks.aclose()
