"""What the project's check of an image says, asked before a URL of it leaves."""

from __future__ import annotations

import asyncio
import copy
import datetime
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from . import storage
from .awaiting import awaited
from .transactions import own_connection

if TYPE_CHECKING:
    from .context import RequestContext
    from .imaging import ImageInfo
    from .models import GeneratedImage

logger = logging.getLogger(__name__)
# Seconds that a check may take. An image of which it says nothing by then is held.
MOST_SECONDS = 60.0
Says = Literal["show", "hold", "block"]


class Verdict(NamedTuple):
    """What becomes of an image.

    Attributes:
        says: ``"show"``; ``"hold"`` keeps it from its person until staff have looked at
            it; ``"block"`` hides it, and staff may still restore it.
        reason: Why, for staff.
        words: What the person reads in its place; empty for a standard sentence.
    """

    says: Says
    reason: str = ""
    words: str = ""


SHOW = Verdict("show")
# Of an image whose process died before the check had said anything.
UNHEARD = Verdict("hold", "The process ended before the check of the image did.")
Answer = Verdict | Says | None
Check = Callable[["GeneratedImage", bytes, "RequestContext"], Any]


async def ask(
    check: Check,
    image: GeneratedImage,
    info: ImageInfo,
    data: bytes,
    context: RequestContext,
    arrived_at: datetime.datetime | None,
) -> Verdict:
    """Return what a check says. A check that fails, or takes too long, holds the image.

    A plain function runs in a thread.

    Args:
        check: The project's ``check_image()``.
        image: The row. The check gets it as it will be if nothing is against it.
        info: What is known of the bytes.
        data: The bytes of the image, or of a preview of it.
        context: Whose it is.
        arrived_at: When the final has come; ``None`` for a preview.
    """
    row = copy.copy(image)
    row.arrived_at, row.mime, row.bytes = arrived_at, info.mime, len(data)
    row.width, row.height = info.width, info.height
    try:
        async with asyncio.timeout(MOST_SECONDS):
            if inspect.iscoroutinefunction(check):
                answer = await check(row, data, context)
            else:
                # Not in the threads of the event loop, which look up the providers: a
                # check may wait for ever.
                work = partial(copy_context().run, _plain, check, row, data, context)
                answer = await awaited(await storage.call("checks", work))
        return _verdict(answer)
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
            raise  # The run, and not something within the check.
        logger.exception("The check of image %s has failed: it is held", image.pk)
        return Verdict("hold", f"The check has failed: {type(error).__name__}")


def _plain(
    check: Check, image: GeneratedImage, data: bytes, context: RequestContext
) -> Answer | Awaitable[Answer]:
    with own_connection():
        return cast("Answer", check(image, data, context))


def _verdict(answer: Answer) -> Verdict:
    if answer is None:
        return SHOW
    verdict = Verdict(answer) if isinstance(answer, str) else answer
    if not isinstance(verdict, Verdict) or verdict.says not in get_args(Says):
        raise TypeError(
            "check_image() must return None, 'show', 'hold', 'block' or a Verdict, "
            f"got {answer!r}."
        )
    return verdict
