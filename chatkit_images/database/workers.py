"""The threads of database work, the jobs that wait for them, and their connections."""

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
Kind = Literal["runs", "beats", "aside", "marks"]
Job = tuple["Future[Any]", Callable[[], Any]]


@cache
def jobs(kind: Kind) -> Jobs:
    """Return the jobs of the threads of a kind. The threads begin at the first use."""
    return Jobs(kind, settings.DATABASE_THREADS if kind == "runs" else 1)


class Jobs:
    """The jobs of some threads. The thread that has worked last gets the next job.

    So jobs that follow each other run in one thread, whose connection is open, and the
    other threads give their connections back.
    """

    def __init__(self, kind: Kind, threads: int) -> None:
        self._lock = threading.Lock()
        # Either some jobs wait, or some threads are idle.
        self._ahead: deque[Job] = deque()
        self._waiting: deque[Job] = deque()
        self._idle: list[Worker] = []
        # Whether the last job that waited went ahead of others.
        self._went_ahead = False
        for number in range(threads):
            Worker(self, f"chatkit-images-database-{kind}-{number}").start()

    def put(self, job: Job, ahead: bool = False) -> None:
        """Have a job done; if others wait, ``ahead`` puts it before them."""
        with self._lock:
            if not self._idle:
                return (self._ahead if ahead else self._waiting).append(job)
            worker = self._idle.pop()
        worker.given.put(job)

    def take(self, worker: Worker, *, next_up: bool = True) -> Job | None:
        """Return a waiting job for a worker, or ``None`` and give it the next one.

        By turns this is the oldest of the jobs that go ahead and the oldest of the
        others.

        Args:
            worker: Gets the job.
            next_up: Whether it gets the next job before other idle workers.
        """
        with self._lock:
            ahead = bool(self._ahead) and not (self._went_ahead and self._waiting)
            if jobs := self._ahead if ahead else self._waiting:
                self._went_ahead = ahead
                return jobs.popleft()
            self._idle.insert(len(self._idle) if next_up else 0, worker)
        return None

    def leave(self, worker: Worker) -> bool:
        """Give a worker no job for now; ``False`` if it has already been given one."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
        return True


class Worker(threading.Thread):
    """A thread that does jobs, and closes its connections when there are none."""

    def __init__(self, jobs: Jobs, name: str) -> None:
        # A process that ends does not wait for its daemon threads. Work that is lost is
        # found again, as after any other crash.
        super().__init__(name=name, daemon=True)
        self._jobs = jobs
        self.given: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def run(self) -> None:
        """Work until the process ends."""
        tell: Callable[[], object] = _nothing
        while True:
            # The next job is taken before the caller learns that the last one is done,
            # so the caller's next call comes to this thread.
            job = self._jobs.take(self)
            tell()
            # Otherwise this thread would hold the result and the arguments until the
            # next job.
            del tell
            tell = self._do(*(job or self._wait()))
            del job

    def _wait(self) -> Job:
        try:
            return self.given.get(timeout=LINGER)
        except queue.Empty:
            pass
        # This worker must not be the next in turn meanwhile, because closing a
        # connection that hangs may take long.
        if self._jobs.leave(self):
            _close(connections.all(initialized_only=True))
            if (job := self._jobs.take(self, next_up=False)) is not None:
                return job
        return self.given.get()

    def _do(self, future: Future[Any], job: Callable[[], Any]) -> Callable[[], object]:
        """Do a job and return the function that tells its caller how it ended."""
        if not future.set_running_or_notify_cancel():
            return _nothing
        try:
            return partial(future.set_result, job())
        except BaseException as error:
            # A connection that has failed, or is in a transaction, is not used again.
            _close(c for c in connections.all(initialized_only=True) if _is_broken(c))
            return partial(future.set_exception, error)


def _nothing() -> None:
    """Tell nobody."""


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    return bool(
        connection.errors_occurred
        or connection.in_atomic_block
        # The method of that name may connect, or be forbidden to.
        or (connection.connection and not connection.autocommit)
    )


def _close(some: Iterable[BaseDatabaseWrapper]) -> None:
    for connection in some:
        try:
            connection.close()
        except Exception:
            # Some drivers raise if the server has closed the connection. The thread
            # goes on.
            logger.warning("A connection is closed with an error", exc_info=True)
            connection.connection = None
