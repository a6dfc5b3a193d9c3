"""Where the logs of runs are: one interface, in memory or shared by processes."""

from __future__ import annotations

import asyncio
import uuid
from contextvars import Context

from ...conf import settings
from .memory import MemoryLog


class MemoryLogs:
    """The logs of the runs of this process, kept ``RUN_LOG_SECONDS`` after their end.

    Another process knows nothing of them. A subclass shares them; it may override
    every method.
    """

    def __init__(self) -> None:
        self._logs: dict[uuid.UUID, MemoryLog] = {}

    def create(self, run_id: uuid.UUID) -> MemoryLog:
        """Return the log that a run of this process writes to."""
        log = self._logs[run_id] = MemoryLog()
        return log

    async def open(self, run_id: uuid.UUID, running: bool = False) -> MemoryLog | None:
        """Return the log of a run to read from; ``None`` if it is not to be had.

        Args:
            run_id: The run.
            running: Whether it goes on: what is not there by now may come.
        """
        return self._logs.get(run_id)

    def close(self, run_id: uuid.UUID) -> None:
        """Close the log of a run of this process."""
        self._logs[run_id].close()
        loop = asyncio.get_running_loop()
        # A timer keeps the context that it is made in, the run's with its images.
        seconds = settings.RUN_LOG_SECONDS
        loop.call_later(seconds, self._logs.pop, run_id, None, context=Context())

    def forget(self, run_id: uuid.UUID) -> None:
        """Close the log of a run that has not begun, and forget it."""
        self._logs.pop(run_id).close()

    async def aclose(self) -> None:
        """Let go of what the logs hold."""
