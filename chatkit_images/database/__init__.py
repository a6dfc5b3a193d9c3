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
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils.translation import get_language, override

from ..run_state import current_run
from .workers import Kind, jobs

__all__ = ["ahead", "aside", "beat", "call", "insist", "jobs", "once", "shared"]
logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
# Seconds before what the database refused is tried again: a restart takes some.
PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0)
# Whether this is within a call: it has a thread, and must not wait for one more.
_called: ContextVar[bool] = ContextVar("called", default=False)
# Whether the code that is executing takes the threads of runs although it is in none.
shared: ContextVar[bool] = ContextVar("shared", default=False)
# Whether its calls go before those that wait.
_ahead: ContextVar[bool] = ContextVar("ahead", default=False)


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
