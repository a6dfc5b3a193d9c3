"""Threads that serve everybody by turns, whatever one of them has waiting."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple["Future[Any]", Callable[[], Any]]
# Those who have nothing in the works go first, but so many of them in a row at most
# while others wait.
IN_A_ROW = 4


class Threads:
    """Some threads and the jobs that wait for them, in a line for each owner.

    The first job of an owner waits for no more than what the threads are at, and for
    the first jobs of others. All further jobs are done by turns of their owners. Jobs
    that can be spared are done when no other job waits.

    Args:
        count: How many threads.
        name: What the names of the threads begin with.
    """

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name)
        self._lock = Lock()
        self._wanted, self._spare = _Lines(), _Lines()
        # All threads start at once. The caller waits while a thread starts, and later
        # the event loop would be the caller, among busy threads.
        everybody = Barrier(count)
        for _ in range(count):
            self._pool.submit(everybody.wait)

    def submit(
        self, owner: str, func: Callable[[], T], *, spare: bool = False
    ) -> Future[T]:
        """Have a function called when it is its owner's turn.

        Args:
            owner: Whose job it is.
            func: The job.
            spare: Whether all others go first, also those that come later.

        Raises:
            RuntimeError: If the process is ending.
        """
        future: Future[T] = Future()
        lines = self._spare if spare else self._wanted
        with self._lock:
            # It takes whatever job comes next, not this one.
            self._pool.submit(self._work)
            lines.put(owner, (future, func))
        return future

    def drain(self) -> None:
        """Wait until all jobs that are waiting now are done, if there is one thread."""
        self._pool.submit(lambda: None).result()

    def shutdown(self, wait: bool = True) -> None:
        """Do the jobs that wait and end the threads."""
        self._pool.shutdown(wait=wait)

    def _work(self) -> None:
        with self._lock:
            lines, found = self._wanted, self._wanted.take()
            if found is None:
                lines, found = self._spare, self._spare.take()
        if found is None:
            return  # It was cancelled.
        owner, (future, func) = found
        try:
            result = func()
        except BaseException as error:
            self._end(lines, owner)
            future.set_exception(error)
            # Its traceback has this frame. Whoever is done with the error is done with
            # the bytes of the job, too, if it leads in no circle.
            del found, future, func
        else:
            self._end(lines, owner)
            future.set_result(result)

    def _end(self, lines: _Lines, owner: str) -> None:
        with self._lock:
            lines.end(owner)


class _Lines:
    """The jobs that wait, and whose turn it is; for who has the lock."""

    def __init__(self) -> None:
        self._jobs: dict[str, deque[Job]] = {}
        self._running: Counter[str] = Counter()
        # The owners of waiting jobs, each in one of them.
        self._first: deque[str] = deque()
        self._others: deque[str] = deque()
        self._row = 0

    def put(self, owner: str, job: Job) -> None:
        """Have a job wait."""
        if owner not in self._jobs:
            self._jobs[owner] = deque()
            is_first = not self._running[owner]
            (self._first if is_first else self._others).append(owner)
        self._jobs[owner].append(job)

    def take(self) -> tuple[str, Job] | None:
        """Return the job whose turn it is, which runs now, and its owner."""
        while self._jobs:
            others = bool(self._others)
            first = bool(self._first) and not (others and self._row >= IN_A_ROW)
            owner = (self._first if first else self._others).popleft()
            jobs = self._jobs[owner]
            job = jobs.popleft()
            if jobs:
                self._others.append(owner)
            else:
                del self._jobs[owner]
            if job[0].set_running_or_notify_cancel():
                self._row = self._row + 1 if first and others else 0
                self._running[owner] += 1
                return owner, job
        return None

    def end(self, owner: str) -> None:
        """Note that a job of an owner is done."""
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
