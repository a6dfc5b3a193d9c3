"""Database work of a run, off the event loop, in a few threads of the process.

A run waits for its model for minutes and holds no connection meanwhile: its calls
borrow one of ``DATABASE_THREADS``, each of which keeps its connection while there is
work and closes it soon after. So connections are few however many runs there are, and
a call does not pay for a new one each time.

A call goes to

- those threads, in a run, and in a consumer, which sets ``shared``;
- the thread that Django has for the request, in a view, and in any call within a call.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache, partial
from typing import Any, Literal, ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils.translation import get_language, override

from .conf import settings
from .run_state import current_run

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
# Seconds before what the database refused is tried again: a restart takes some.
PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0)
# Seconds without work after which a thread gives its connection back.
LINGER = 0.5
# Whether this is within a call: it has a thread, and must not wait for one more.
_called: ContextVar[bool] = ContextVar("called", default=False)
# Whether the code that is executing takes the threads of runs although it is in none.
shared: ContextVar[bool] = ContextVar("shared", default=False)
# Whether its calls go before those that wait.
_ahead: ContextVar[bool] = ContextVar("ahead", default=False)
Kind = Literal["runs", "beats", "aside"]
Job = tuple["Future[Any]", Callable[[], Any]]


async def call(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that uses the database returns.

    In a run it is called again while the database is away, so it must bear that: the
    person has waited for the model, and what it sent comes only once.
    """
    tried = once if current_run.get() is None else insist
    return await tried(func, *args, **kwargs)


async def insist(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as ``call`` does in a run, wherever this is."""
    for pause in PAUSES:
        try:
            return await once(func, *args, **kwargs)
        except (InterfaceError, OperationalError) as error:
            logger.warning("The database is asked again in %s s: %s", pause, error)
            await asyncio.sleep(pause)
    return await once(func, *args, **kwargs)


async def once(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that uses the database returns; call it once.

    Outside of a run it is called where ``sync_to_async`` would call it, in the thread
    that has the connection, and maybe the transaction, of the request or the test.
    """
    outside = current_run.get() is None and not shared.get()
    if outside or _called.get():
        return await database_sync_to_async(func)(*args, **kwargs)
    return await _submit("runs", partial(func, *args, **kwargs))


@contextmanager
def ahead() -> Iterator[None]:
    """Have the calls within go before others that wait for the threads of runs.

    For who has waited in the line before: else of fifty requests that come together
    none would have its run before the last of them is looked at. Every second job is
    one of the others nevertheless, so nothing waits for ever.
    """
    token = _ahead.set(True)
    try:
        yield
    finally:
        _ahead.reset(token)


async def beat(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function once, in a thread of its own kind: a sign of life.

    It must not wait for those that work for minutes at receivers of signals, say:
    another process would take the run for dead.
    """
    return await _submit("beats", partial(func, *args, **kwargs))


async def aside(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function once, in a thread of its own kind: work that nobody waits for."""
    return await _submit("aside", partial(func, *args, **kwargs))


async def _submit(kind: Kind, func: Callable[[], T]) -> T:
    context = copy_context()
    context.run(_called.set, True)
    future: Future[T] = Future()
    jobs(kind).put((future, partial(context.run, _as_here(func))), _ahead.get())
    return await asyncio.wrap_future(future)


def _as_here(func: Callable[[], T]) -> Callable[[], T]:
    """Return a function that another thread calls as if it were this one.

    Django keeps the language and the prefix of URLs for a thread, whatever its context.
    """
    language, prefix, urlconf = get_language(), get_script_prefix(), get_urlconf()

    def call() -> T:
        set_script_prefix(prefix)
        set_urlconf(urlconf)
        with override(language):
            return func()

    return call


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
