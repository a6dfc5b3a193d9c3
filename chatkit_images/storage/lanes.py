"""The threads that work on bytes. None of this ever runs on the event loop.

Each kind of work has a lane of its own, so that what somebody waits for never queues
behind what may be late: a final image behind partial images, or decoding behind a
storage that hangs.
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

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
_making = Lock()
Lane = Literal["decode", "storage", "aside", "scale", "background"]


@cache
def executor(lane: Lane) -> ThreadPoolExecutor:
    """Return the threads of a lane, made at the first use.

    They live as long as the process: a boto3 session per thread is dear.
    """
    threads = {
        # Pillow frees the interpreter while it decodes, so cores are the limit. One of
        # them is the event loop's, which would have to wait for its turn else.
        "decode": max(1, (os.cpu_count() or 2) - 1),
        "storage": settings.STORAGE_THREADS,
        "aside": max(2, settings.STORAGE_THREADS // 2),
        # One core at most: finals do not wait for what is made or checked here.
        "scale": 1,
        "background": 1,
    }[lane]
    pool = ThreadPoolExecutor(threads, f"chatkit-images-{lane}")
    # All at once: whoever starts a thread waits for it, and later the event loop would
    # have to wait for its turn among busy ones.
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
    """Have a function called in a lane, whatever thread this is."""
    with _making:
        pool = executor(lane)
    return pool.submit(func, *args, **kwargs)


def later(func: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function in the background, after what was given before it.

    Nobody waits for it: it must handle its own errors, and what it would do must
    be found again if the process dies.
    """
    try:
        begin("background", func, *args, **kwargs)
    except RuntimeError as error:
        # The process is ending. What was not begun is found again.
        logger.warning("Left for the next process: %r", error)


def drain() -> None:
    """Wait until what was given to ``later()`` is done. For tests and scripts."""
    executor("background").submit(lambda: None).result()


async def _run(lane: Lane, func: Callable[[], T]) -> T:
    return await asyncio.wrap_future(begin(lane, func))
