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
    the first jobs of others. All further jobs are done by turns of their owners.

    Args:
        count: How many threads.
        name: What the names of the threads begin with.
    """

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name)
        self._lock = Lock()
        self._jobs: dict[str, deque[Job]] = {}
        self._running: Counter[str] = Counter()
        # The owners of waiting jobs, each in one of them.
        self._first: deque[str] = deque()
        self._others: deque[str] = deque()
        self._row = 0
        # All threads start at once. The caller waits while a thread starts, and later
        # the event loop would be the caller, among busy threads.
        everybody = Barrier(count)
        for _ in range(count):
            self._pool.submit(everybody.wait)

    def submit(self, owner: str, func: Callable[[], T]) -> Future[T]:
        """Have a function called when it is its owner's turn.

        Raises:
            RuntimeError: If the process is ending.
        """
        future: Future[T] = Future()
        with self._lock:
            # It takes whatever job comes next, not this one.
            self._pool.submit(self._work)
            if owner not in self._jobs:
                self._jobs[owner] = deque()
                is_first = not self._running[owner]
                (self._first if is_first else self._others).append(owner)
            self._jobs[owner].append((future, func))
        return future

    def drain(self) -> None:
        """Wait until all jobs that are waiting now are done, if there is one thread."""
        self._pool.submit(lambda: None).result()

    def shutdown(self, wait: bool = True) -> None:
        """Do the jobs that wait and end the threads."""
        self._pool.shutdown(wait=wait)

    def _work(self) -> None:
        with self._lock:
            found = self._next()
        if found is None:
            return  # It was cancelled.
        owner, (future, func) = found
        try:
            result = func()
        except BaseException as error:
            self._end(owner)
            future.set_exception(error)
            # Its traceback has this frame. Whoever is done with the error is done with
            # the bytes of the job, too, if it leads in no circle.
            del found, future, func
        else:
            self._end(owner)
            future.set_result(result)

    def _next(self) -> tuple[str, Job] | None:
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

    def _end(self, owner: str) -> None:
        with self._lock:
            self._running[owner] -= 1
            if not self._running[owner]:
                del self._running[owner]
