"""The threads that work on bytes. None of this ever runs on the event loop.

Each kind of work has a lane of its own, so that urgent work never queues behind work
that may be late: a final image behind partial images, or decoding behind a storage that
hangs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from threading import Barrier, Lock
from typing import Literal, ParamSpec, TypeVar

from ..conf import settings
from ..contexts import carried

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
_making = Lock()
Lane = Literal["decode", "storage", "aside", "scale", "background"]


@cache
def executor(lane: Lane) -> ThreadPoolExecutor:
    """Return the threads of a lane, made at the first use.

    They live as long as the process, because each thread has a boto3 session, and those
    are expensive to make.
    """
    threads = {
        # Pillow frees the interpreter while it decodes, so cores are the limit. One
        # core is left to the event loop, which would otherwise wait for its turn.
        "decode": max(1, (os.cpu_count() or 2) - 1),
        "storage": settings.STORAGE_THREADS,
        "aside": max(2, settings.STORAGE_THREADS // 2),
        # One core at most, because finals must not wait for this work.
        "scale": 1,
        "background": 1,
    }[lane]
    pool = ThreadPoolExecutor(threads, f"chatkit-images-{lane}")
    # All threads start at once. The caller waits while a thread starts, and later the
    # event loop would be the caller, among busy threads.
    everybody = Barrier(threads)
    for _ in range(threads):
        pool.submit(everybody.wait)
    return pool


async def decode(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that works on the bytes of a final returns."""
    return await _run("decode", partial(func, *args, **kwargs))


async def run(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that waits for the storage returns."""
    return await _run("storage", partial(func, *args, **kwargs))


async def scale(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that works on a thumbnail or a partial image returns."""
    return await _run("scale", partial(func, *args, **kwargs))


def begin(
    lane: Lane, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> Future[T]:
    """Have a function called in a lane; may be called in any thread."""
    with _making:
        pool = executor(lane)
    return pool.submit(carried(func), *args, **kwargs)


def later(func: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function in the background, after those that were given before it.

    Nobody waits for the function, so it must handle its own errors. If the process
    dies before, another job must find the work, as the sweep does.
    """
    try:
        begin("background", func, *args, **kwargs)
    except RuntimeError as error:
        # The process is ending. Another process will find the work.
        logger.warning("Left for the next process: %r", error)


def drain() -> None:
    """Wait until all calls given to ``later()`` are done. For tests and scripts."""
    executor("background").submit(lambda: None).result()


async def _run(lane: Lane, func: Callable[[], T]) -> T:
    return await asyncio.wrap_future(begin(lane, func))
