"""The events of images on their way into the stream of a run."""

from __future__ import annotations

import asyncio
from typing import Any

from chatkit import types
from chatkit.agents import AgentContext

from ..context import RequestContext


class Outbox:
    """Puts events into a stream and keeps each until the stream has delivered it.

    If the stream breaks, the events that it has not delivered are still here.
    """

    def __init__(self, context: AgentContext[RequestContext]) -> None:
        self._context = context
        # Oldest first.
        self._waiting: list[types.ThreadStreamEvent] = []
        self._open = True
        self._moved = asyncio.Event()
        # The task that reads the stream, which nothing is delivered to while it waits.
        self._reader: asyncio.Task[Any] | None = None

    async def emit(self, event: types.ThreadStreamEvent) -> None:
        """Keep an event, and put it into the stream unless the outbox is closed."""
        self._waiting.append(event)
        if self._open:
            await self._context.stream(event)

    async def announce(self, event: types.ThreadStreamEvent) -> None:
        """Emit an event and wait until the stream has delivered it.

        So the event stands before everything that the model sends afterwards.
        """
        await self.emit(event)
        if self.is_read_by(asyncio.current_task()):
            return
        while self._open and any(waiting is event for waiting in self._waiting):
            self._moved.clear()
            await self._moved.wait()

    def delivered(self, event: types.ThreadStreamEvent) -> None:
        """Forget an event that the stream has delivered, to the current task."""
        self._reader = asyncio.current_task()
        self._waiting = [waiting for waiting in self._waiting if waiting is not event]
        self._moved.set()

    def is_read_by(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a task reads the stream, so that nothing comes while it waits."""
        return task is not None and task is self._reader

    def close(self) -> None:
        """Put no more events into the stream, which nobody reads any more."""
        self._open = False
        self._moved.set()

    def take(self) -> list[types.ThreadStreamEvent]:
        """Return, once, the events that the stream has not delivered."""
        events, self._waiting = self._waiting, []
        return events
