"""The threads that work on bytes. None of this ever runs on the event loop.

Each kind of work has a lane of its own, so that urgent work never queues behind work
that may be late, or that anybody may order: a final image behind partial images or
uploads, or decoding behind a storage that hangs. Within a lane everybody has their
turn.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, partial
from threading import Lock
from typing import Literal, ParamSpec, TypeVar

from .. import timing
from ..conf import settings
from ..context import RequestContext
from ..contexts import carried, working_context
from .turns import Threads

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
_making = Lock()
Lane = Literal[
    "decode",
    "storage",
    "partials",
    "aside",
    "scale",
    "thumbnails",
    "late",
    "redraw",
    "read",
    "forms",
    "uploads",
    "attachments",
    "lookups",
    "files",
    "checks",
    "serving",
    "zips",
    "spool",
    "flush",
    "background",
]


@cache
def executor(lane: Lane) -> Threads:
    """Return the threads of a lane, made at the first use.

    They live as long as the process, because each thread has a boto3 session, and those
    are expensive to make.
    """
    half = max(2, settings.STORAGE_THREADS // 2)
    threads = {
        # Finals. Pillow frees the interpreter while it decodes, so cores are the limit.
        # One core is left to the event loop, which would otherwise wait for its turn.
        "decode": max(1, (os.cpu_count() or 2) - 1),
        "storage": settings.STORAGE_THREADS,
        # Partial images: what their containers say, and their way to the storage.
        "partials": 1,
        "aside": half,
        # Thumbnails, likewise. One core at most, because finals must not wait for this.
        "scale": 1,
        "thumbnails": 2,
        # Those of older images, which somebody looks at and which have none.
        "late": 1,
        # The model's input: files are drawn again, and read.
        "redraw": 1,
        "read": half,
        # Uploads: their forms are taken apart, which takes a moment. They are looked at
        # one by one, because that may take a second and anybody may order it.
        "forms": 2,
        "uploads": 1,
        "attachments": half,
        # The addresses of hosts from which images are fetched. A name may take its
        # time, and the event loop's own threads look up the providers. An owner has
        # half as many reads at once, those included that only their look-up keeps, and
        # so leaves threads to others.
        "lookups": 8,
        # Files that tools hand in. They may be connections on which nothing comes, so
        # each read has ``Patience``.
        "files": half,
        # The project's check of images, which may wait for another service.
        "checks": 8,
        # What browsers ask for, piece by piece: a slow one keeps none of them waiting.
        "serving": half,
        # Zips that staff download: images are read whole.
        "zips": 2,
        # What a storage does not take goes to the disk of this host.
        "spool": 1,
        # What waits there goes to the storage. Nothing else waits behind a storage that
        # hangs once more.
        "flush": 1,
        "background": 1,
    }[lane]
    return Threads(threads, f"chatkit-images-{lane}")


async def decode(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that works on the bytes of a final returns."""
    return await call("decode", partial(func, *args, **kwargs))


async def run(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function that waits for the storage returns."""
    return await call("storage", partial(func, *args, **kwargs))


async def call(
    lane: Lane, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what a function returns that is called in a lane."""
    return await asyncio.wrap_future(begin(lane, func, *args, **kwargs))


def begin(
    lane: Lane, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> Future[T]:
    """Have a function called in a lane; may be called in any thread."""
    return _begin(lane, partial(func, *args, **kwargs), spare=False)


def begin_for(
    context: RequestContext | None,
    lane: Lane,
    func: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Future[T]:
    """Have a function called in a lane for a context, wherever this is called."""
    return _begin(lane, partial(func, *args, **kwargs), spare=False, context=context)


def begin_spare(
    lane: Lane, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> Future[T]:
    """Have a function called in a lane when nothing else waits there.

    So nobody waits for more than the one call that goes on.
    """
    return _begin(lane, partial(func, *args, **kwargs), spare=True)


def later(func: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function in the background, after those that its owner gave before it.

    Nobody waits for the function, so it must handle its own errors. If the process
    dies before, another job must find the work, as the sweep does.
    """
    begin_quietly("background", func, *args, **kwargs)


def begin_quietly(
    lane: Lane, func: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Do as ``later`` does, in a lane of its own."""
    try:
        begin(lane, func, *args, **kwargs)
    except RuntimeError as error:
        # The process is ending. Another process will find the work.
        logger.warning("Left for the next process: %r", error)


def drain() -> None:
    """Wait until all calls given to ``later()`` are done, and the flush.

    For tests and scripts.
    """
    executor("flush").drain()
    executor("background").drain()


def _begin(
    lane: Lane,
    func: Callable[[], T],
    *,
    spare: bool,
    context: RequestContext | None = None,
) -> Future[T]:
    context = context or working_context()
    with _making:
        threads = executor(lane)
    job = timing.carried(carried(func, context))
    return threads.submit(context.scope if context else "", job, spare=spare)
