"""Stopping runs, in whichever process they are."""

from __future__ import annotations

import uuid

from .. import database
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
        if (live := LIVE.get(key)) is not None:
            live.stop()
    return bool(keys)


def request_stop(rows: RunQuerySet) -> list[uuid.UUID]:
    """Write stops into the rows of running runs, and return their ids.

    Not for the event loop.
    """
    releases.take_over(rows)
    keys = list(rows.running().values_list("pk", flat=True))
    rows.request_stop()
    return keys
