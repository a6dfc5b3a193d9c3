"""Calls of the storage that are given up in time, for jobs over many files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, Self, TypeVar

from django.db import connections

from ..conf import settings
from ..contexts import carried, working_context

P = ParamSpec("P")
T = TypeVar("T")
Job = tuple["Future[Any]", Callable[[], Any]]


class Patience:
    """Calls functions in a thread, and waits for each ``STORAGE_TIMEOUT`` at most.

    Use it as a context manager, in one thread. A call that hangs keeps its thread; the
    next call gets another one. None of them keeps the process from ending.

    Args:
        what: What the functions ask, as the error calls it.
    """

    def __init__(self, what: str = "storage") -> None:
        self._what = what
        self._jobs: SimpleQueue[Job | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._jobs is not None:
            self._jobs.put(None)

    def call(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function returns.

        Raises:
            TimeoutError: If it takes too long. It may still go on.
            Exception: The function's own.
        """
        if self._jobs is None:
            self._jobs = SimpleQueue()
            # A storage has a client for each thread, so all calls have the same one.
            threading.Thread(target=_work, args=(self._jobs,), daemon=True).start()
        future: Future[T] = Future()
        job = partial(carried(func, working_context()), *args, **kwargs)
        self._jobs.put((future, job))
        limit = settings.STORAGE_TIMEOUT
        try:
            return future.result(limit)
        except TimeoutError:
            if future.done():
                raise  # The function's own.
            self._jobs.put(None)
            self._jobs = None
            raise TimeoutError(f"The {self._what} is silent for {limit} s.") from None


def patiently(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call one function as ``Patience`` does."""
    with Patience() as patience:
        return patience.call(func, *args, **kwargs)


def _work(jobs: SimpleQueue[Job | None]) -> None:
    try:
        while (job := jobs.get()) is not None:
            future, func = job
            try:
                future.set_result(func())
            except BaseException as error:
                future.set_exception(error)
            del job, future, func
    finally:
        # A storage may be tables of the database.
        connections.close_all()
