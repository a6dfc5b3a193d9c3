"""The row of an image call, which everything that is saved of the call needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class CallRow:
    """Makes the row of a call once, however many wait for it.

    Args:
        make: Makes the row. It may be called again after it has failed.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._make = make
        self._task = asyncio.ensure_future(make())

    async def made(self) -> None:
        """Wait for the row, and try again to make it if that has failed.

        An image may come a minute after its call began, when a database that was away
        is back.

        Raises:
            Exception: The database's own, if this try has failed too.
        """
        task = self._task
        await self.tried()
        # If several wait, the first one tries again, and the others wait for its try.
        if task.exception() is not None and task is self._task:
            self._task = asyncio.ensure_future(self._make())
        await self._task

    async def tried(self) -> None:
        """Wait until no try is under way, whether the row is there or not."""
        if not self._task.done():
            await asyncio.wait([self._task])
