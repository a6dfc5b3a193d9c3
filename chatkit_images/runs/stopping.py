"""Stopping runs, in whichever process they are."""

from __future__ import annotations

import uuid
from typing import Any

from .. import database, models
from ..failures import Failure, Reason
from ..queries import failure_columns
from ..querysets import RunQuerySet
from . import releases
from .registry import LIVE


async def stop(rows: RunQuerySet) -> bool:
    """Stop running runs: here at once, in other processes within a second.

    Returns:
        Whether there was one.
    """
    keys = await database.call(request_stop, rows)
    for key in keys:
        if (live := LIVE.here(key)) is not None:
            live.stop()
    return bool(keys)


def request_stop(rows: RunQuerySet, **why: Any) -> list[uuid.UUID]:
    """Write stops into the rows of running runs, and return their ids.

    Not for the event loop.

    Args:
        rows: The runs.
        why: Columns that say so, if it is not the person who stops them.
    """
    releases.take_over(rows)
    keys = list(rows.running().values_list("pk", flat=True))
    # One that has begun since goes on: its id is not returned, so nobody would tell it.
    models.Run.objects.filter(pk__in=keys).request_stop(**why)
    return keys


def stop_by_staff(rows: RunQuerySet, words: str = "") -> list[uuid.UUID]:
    """Stop running runs because staff say so, and return their ids.

    Each ends within a second, in whichever process it is. Not for the event loop.

    Args:
        rows: The runs.
        words: What their people read. Default: that staff have ended the answer.
    """
    failure = Failure(Reason.STOPPED_BY_STAFF, words=words)
    return request_stop(rows, **failure_columns.of_run(failure))
