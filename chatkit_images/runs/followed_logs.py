"""Copies of the logs of other processes' runs, as long as they are read here."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..context import RequestContext
from .log import MemoryLog

# Seconds for the last entries of a log after the end of its run.
GRACE_SECONDS = 1.0


class FollowedLogs:
    """The logs that readers follow here and that this process does not write.

    If nobody writes a log any more, its readers would wait for ever. So the log is
    closed when its run has ended.

    Attributes:
        closed: Whether this server drains, so that readers must go to another process.
    """

    def __init__(self) -> None:
        self.closed = False
        self._logs: dict[uuid.UUID, list[MemoryLog]] = {}
        self._contexts: dict[uuid.UUID, RequestContext] = {}
        self._present: Counter[uuid.UUID] = Counter()

    @property
    def followed(self) -> dict[uuid.UUID, RequestContext]:
        """Return the runs that are read here, each with one of its readers."""
        return dict(self._contexts)

    def has_reader(self, run_id: uuid.UUID) -> bool:
        """Whether a run has a reader here, and not only watchers."""
        return self._present[run_id] > 0

    @contextmanager
    def following(
        self, run_id: uuid.UUID, context: RequestContext, log: MemoryLog, present: bool
    ) -> Iterator[None]:
        """Follow a log. It is closed when its run has ended.

        Args:
            run_id: The run.
            context: Who reads it.
            log: The copy of its log.
            present: Whether the run goes on for this reader; not for a watcher.
        """
        self._logs.setdefault(run_id, []).append(log)
        self._contexts[run_id] = context
        self._present[run_id] += present
        try:
            yield
        finally:
            self._present[run_id] -= present
            self._logs[run_id].remove(log)
            if not self._logs[run_id]:
                del self._logs[run_id], self._contexts[run_id], self._present[run_id]

    def nudge(self, run_id: uuid.UUID) -> None:
        """Give the readers of a run an empty batch."""
        for log in self._logs.get(run_id, ()):
            log.nudge()

    def close_soon(self, run_id: uuid.UUID) -> None:
        """Close the logs of an ended run, unless their own end closes them in time."""
        loop = asyncio.get_running_loop()
        for log in self._logs.get(run_id, ()):
            if not log.closed:
                loop.call_later(GRACE_SECONDS, log.close, False)

    def close(self) -> None:
        """Close all logs because this server drains; readers resume elsewhere."""
        self.closed = True
        for logs in self._logs.values():
            for log in logs:
                log.close(complete=False)
