"""Database work of a run, off the event loop, in a few threads of the process.

A run waits for its model for minutes and holds no connection meanwhile. Its calls
borrow one of ``DATABASE_THREADS`` threads. Each thread keeps its connection while there
is work and closes it soon after. So many runs need few connections, and a call seldom
waits for a new one.

Where a call is executed:

- In a run, and in a consumer, which sets ``shared``: in one of those threads.
- In a view, and in a call within a call: in the thread that Django has for the request.
  If that has no connection, ``read`` borrows one.

Each call is surrounded by the ``activate()`` of the context among its arguments, or of
the one for whom this code works.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.urls import get_script_prefix, get_urlconf
from django.utils.translation import get_language, override

from .. import timing, transactions
from ..context import RequestContext
from ..contexts import carried
from ..failures import databases
from ..run_state import current_run, current_state
from ..url_state import urls_of
from . import lending
from .workers import Kind, jobs

__all__ = [
    "ahead",
    "aside",
    "beat",
    "call",
    "insist",
    "jobs",
    "mark",
    "once",
    "read",
    "shared",
]
logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
# Seconds before each retry while the database is away. A restart takes some seconds.
# Between two of them the database may be there for a moment only.
PAUSES = (0.1, 0.5, *(1.0 for _ in range(17)))
# Whether this is within a call. Then it has a thread, and must not wait for another.
_called: ContextVar[bool] = ContextVar("called", default=False)
# Whether this code uses the threads of runs although it is outside of a run.
shared: ContextVar[bool] = ContextVar("shared", default=False)
# Whether the calls of this code go ahead of other calls that wait.
_ahead: ContextVar[bool] = ContextVar("ahead", default=False)


async def call(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that uses the database returns.

    In a run the function is retried while the database is away, because the model sends
    its events only once. So it must be safe to call again.
    """
    tried = once if current_run.get() is None else insist
    try:
        return await tried(func, *args, **kwargs)
    except Exception as fault:
        if (state := current_state.get()) is not None:
            # If the SDK hides it, the run still knows why it has failed.
            state.fault = fault
        raise


async def insist(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as ``call`` does in a run, also outside of one."""
    for number, pause in enumerate(PAUSES, 1):
        began = time.monotonic()
        try:
            return await once(func, *args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            if not databases.may_pass(error):
                raise  # Waiting makes no tables, and opens no file.
            most = len(PAUSES) + 1
            timing.warn_of_try(logger, "A database call", error, number, most, pause)
            timing.count("database_failures")
            await asyncio.sleep(pause)
            timing.spend("database_wait", time.monotonic() - began)
    return await once(func, *args, **kwargs)


async def once(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that uses the database returns; call it once.

    Outside of a run the function is called where ``sync_to_async`` would call it. That
    thread has the connection, and maybe a transaction, of the request or the test.
    """
    outside = current_run.get() is None and not shared.get()
    if outside or _called.get():
        work = _for_its_context(partial(func, *args, **kwargs))
        return await database_sync_to_async(work)()
    return await _submit("runs", partial(func, *args, **kwargs))


@contextmanager
def ahead() -> Iterator[None]:
    """Have the calls within go ahead of others that wait for the threads of runs.

    Use it for a request that has waited once already. Otherwise, if fifty requests come
    together, none would get its run before the last of them is admitted. Every second
    job is still one of the others, so no call waits for ever.
    """
    token = _ahead.set(True)
    try:
        yield
    finally:
        _ahead.reset(token)


async def beat(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that writes heartbeats, once, in a thread that does nothing else.

    The other threads may work for minutes, for example at receivers of signals. If
    heartbeats waited for them, another process would take the runs over.
    """
    return await _submit("beats", partial(func, *args, **kwargs))


async def aside(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that nobody waits for, once, in a thread for such work."""
    return await _submit("aside", partial(func, *args, **kwargs))


def mark(func: Callable[[], T]) -> Future[T]:
    """Have a function called that writes a row or two, in a thread for such work.

    May be called in any thread, and does not wait. ``contexts.carried()`` has the
    function work for somebody.
    """
    future: Future[T] = Future()
    jobs("marks").put((future, func))
    return future


def read(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns that reads a row or two. Not for the event loop.

    A thread that has no connection borrows an open one. If that fails, for example
    because the database was started anew, the function is called once more, with the
    thread's own.
    """
    work = partial(func, *args, **kwargs)
    alias = transactions.alias()
    if _called.get() or not lending.is_lendable(connections[alias]):
        return work()
    was_used = False
    try:
        with lending.lent(alias) as was_used:
            # What the context selects is selected in each connection anew.
            return carried(work)()
    except (OperationalError, InterfaceError):
        if not was_used:
            raise
    return work()


async def _submit(kind: Kind, func: partial[T]) -> T:
    context = copy_context()
    context.run(_called.set, True)
    future: Future[T] = Future()
    work = _timed(_for_its_context(func))
    jobs(kind).put((future, partial(context.run, work)), _ahead.get())
    return await asyncio.wrap_future(future)


def _timed(func: Callable[[], T]) -> Callable[[], T]:
    """Return a function that counts how long it has waited for its thread."""
    began = time.monotonic()

    def call() -> T:
        timing.spend("database_wait", time.monotonic() - began)
        return func()

    return call


def _for_its_context(call: partial[T]) -> Callable[[], T]:
    """Return a call that works for the context that it is given."""
    given = (*call.args, *call.keywords.values())
    context = next((each for each in given if isinstance(each, RequestContext)), None)
    return carried(_as_here(call), context)


def _as_here(func: Callable[[], T]) -> Callable[[], T]:
    """Return a function that gives another thread the language and URLs of this one."""
    language, prefix, urlconf = get_language(), get_script_prefix(), get_urlconf()

    def call() -> T:
        with urls_of(prefix, urlconf), override(language):
            return func()

    return call
