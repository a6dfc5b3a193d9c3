"""Stopping runs, in whichever process they are."""

from __future__ import annotations

import uuid

from .. import database
from ..querysets import RunQuerySet
from . import claims
from .registry import LIVE


async def stop(rows: RunQuerySet) -> bool:
    """End those of the runs that go on, here at once, elsewhere within a second.

    Returns:
        Whether there was one.
    """
    keys = await database.call(request_stop, rows)
    for key in keys:
        if (live := LIVE.get(key)) is not None:
            live.stop()
    return bool(keys)


def request_stop(rows: RunQuerySet) -> list[uuid.UUID]:
    """Ask for the end of those of the runs that go on, and return their ids.

    Not for the event loop.
    """
    claims.take_over(rows)
    keys = list(rows.running().values_list("pk", flat=True))
    rows.request_stop()
    return keys
