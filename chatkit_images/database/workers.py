"""The threads of database work: what waits for them, and their connections."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import cache, partial
from typing import Any, Literal

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import settings

logger = logging.getLogger(__name__)
# Seconds without work after which a thread gives its connection back.
LINGER = 0.5
Kind = Literal["runs", "beats", "aside"]
Job = tuple["Future[Any]", Callable[[], Any]]


@cache
def jobs(kind: Kind) -> Jobs:
    """Return the work of the threads of a kind, which begin at the first use."""
    return Jobs(kind, settings.DATABASE_THREADS if kind == "runs" else 1)


class Jobs:
    """The work of some threads. The one that has worked last gets the next job.

    So what happens one after another happens in one thread, whose connection is open,
    and the others give theirs back.
    """

    def __init__(self, kind: Kind, threads: int) -> None:
        self._lock = threading.Lock()
        # Either there are some that wait, or some that are idle.
        self._ahead: deque[Job] = deque()
        self._waiting: deque[Job] = deque()
        self._idle: list[Worker] = []
        # Whether the last one that waited went ahead of others.
        self._went_ahead = False
        for number in range(threads):
            Worker(self, f"chatkit-images-database-{kind}-{number}").start()

    def put(self, job: Job, ahead: bool = False) -> None:
        """Have a job done; while others wait, maybe ahead of them."""
        with self._lock:
            if not self._idle:
                return (self._ahead if ahead else self._waiting).append(job)
            worker = self._idle.pop()
        worker.given.put(job)

    def take(self, worker: Worker, *, next_up: bool = True) -> Job | None:
        """Return a job that waits, or ``None``: it will be given one.

        By turns it is the oldest of those that go ahead and the oldest of the others.

        Args:
            worker: Who asks.
            next_up: Whether it is the next to be given one.
        """
        with self._lock:
            ahead = bool(self._ahead) and not (self._went_ahead and self._waiting)
            if jobs := self._ahead if ahead else self._waiting:
                self._went_ahead = ahead
                return jobs.popleft()
            self._idle.insert(len(self._idle) if next_up else 0, worker)
        return None

    def leave(self, worker: Worker) -> bool:
        """Give a worker no job for now; ``False`` if it has been given one."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
        return True


class Worker(threading.Thread):
    """A thread that works at jobs and closes its connections when there are none."""

    def __init__(self, jobs: Jobs, name: str) -> None:
        # A process that ends does not wait for it: what is in no row then is found
        # as after any other crash.
        super().__init__(name=name, daemon=True)
        self._jobs = jobs
        self.given: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def run(self) -> None:
        """Work until the process ends."""
        tell: Callable[[], object] = _nothing
        while True:
            # Before the end of the last one is told: what follows it comes here then.
            job = self._jobs.take(self)
            tell()
            # Else it would keep its result, and its arguments, until the next one.
            del tell
            tell = self._do(*(job or self._wait()))
            del job

    def _wait(self) -> Job:
        try:
            return self.given.get(timeout=LINGER)
        except queue.Empty:
            pass
        # Not while it is next: to close a connection that hangs may take its time.
        if self._jobs.leave(self):
            _close(connections.all(initialized_only=True))
            if (job := self._jobs.take(self, next_up=False)) is not None:
                return job
        return self.given.get()

    def _do(self, future: Future[Any], job: Callable[[], Any]) -> Callable[[], object]:
        """Do a job and return what tells its end."""
        if not future.set_running_or_notify_cancel():
            return _nothing
        try:
            return partial(future.set_result, job())
        except BaseException as error:
            # What has failed or is in a transaction is not used again.
            _close(c for c in connections.all(initialized_only=True) if _is_broken(c))
            return partial(future.set_exception, error)


def _nothing() -> None:
    """Tell nobody."""


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    return bool(
        connection.errors_occurred
        or connection.in_atomic_block
        or (connection.connection and not connection.get_autocommit())
    )


def _close(some: Iterable[BaseDatabaseWrapper]) -> None:
    for connection in some:
        try:
            connection.close()
        except Exception:
            # Some drivers raise if the other side was quicker. The thread lives on.
            logger.warning("A connection is closed with an error", exc_info=True)
            connection.connection = None
