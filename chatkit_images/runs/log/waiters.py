"""Tasks that wait for one thing and are woken together."""

from __future__ import annotations

import asyncio
from contextvars import Context


class Waiters:
    """The tasks that wait for one thing to happen."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[bool]] = set()

    def wake(self, value: bool = True) -> None:
        """Let all tasks that wait now go on; with ``False`` as if it took too long."""
        # The next call may come before they go on, and must not go through them again.
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            resolve(waiter, value)

    async def wait(self, seconds: float | None) -> bool:
        """Wait to be woken; ``False`` if that takes too long."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(waiter)
        timer = None
        if seconds is not None:
            # A timer keeps the context in which it is made, if it is not given one.
            timer = loop.call_later(seconds, resolve, waiter, False, context=Context())
        try:
            return await waiter
        finally:
            self._waiting.discard(waiter)
            if timer is not None:
                timer.cancel()


def resolve(waiter: asyncio.Future[bool], value: bool) -> None:
    """Give a future its result, if it has none yet."""
    if not waiter.done():
        waiter.set_result(value)
