"""The logs of a process: one interface, in memory or shared with other processes."""

from __future__ import annotations

import asyncio
import uuid
from contextvars import Context

from ...conf import settings
from .memory import MemoryLog


class MemoryLogs:
    """The logs of the runs of this process, kept ``RUN_LOG_SECONDS`` after their end.

    Other processes cannot read them. A subclass that shares them may override every
    method.
    """

    def __init__(self) -> None:
        self._logs: dict[uuid.UUID, MemoryLog] = {}

    def create(self, run_id: uuid.UUID) -> MemoryLog:
        """Return the log that a run of this process writes to."""
        log = self._logs[run_id] = MemoryLog()
        return log

    async def open(
        self, run_id: uuid.UUID, running: bool = False, sealed: bool = True
    ) -> MemoryLog | None:
        """Return the log of a run for readers; ``None`` if there is none.

        Args:
            run_id: The run.
            running: Whether the run goes on, so that a log may still come.
            sealed: Whether entries without a seal are none of its own.
        """
        return self._logs.get(run_id)

    def close(self, run_id: uuid.UUID) -> None:
        """Close the log of a run of this process."""
        self._logs[run_id].close()
        loop = asyncio.get_running_loop()
        # Without a new context the timer would keep that of the run, with its images.
        seconds = settings.RUN_LOG_SECONDS
        loop.call_later(seconds, self._logs.pop, run_id, None, context=Context())

    def forget(self, run_id: uuid.UUID) -> None:
        """Close the log of a run that got no claim, and forget it."""
        self._logs.pop(run_id).close()

    async def aclose(self) -> None:
        """Release tasks and connections."""
