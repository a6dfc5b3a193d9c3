"""What a person may still use, told before it is used up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..conf import Limits
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..periods import now_here
from . import counters
from .brakes import check_stopped_by_staff
from .counted_limits import counted_limits
from .counters import SITE
from .limits import bytes_stored, files_waiting, runs_at_once


def left(context: RequestContext, limits: Limits) -> dict[str, Any]:
    """Return of each limit what is used and what is left, and what staff have stopped.

    Args:
        context: Who asks.
        limits: What they may use.
    """
    found = _of_periods(context, limits)
    states: dict[str, Callable[[], int]] = {
        "RUNS_AT_ONCE": lambda: runs_at_once(context.owner),
        "ATTACHMENTS_WAITING": lambda: files_waiting(context.owner),
        "BYTES_STORED": lambda: bytes_stored(context.owner),
    }
    for name, limit in limits.items():
        if limit is not None and name in states:
            found[name] = _told(limit, states[name]())
        elif limit is not None:
            found.setdefault(name, {"limit": limit})
    return {"limits": found, "stopped": _stopped(context)}


def _of_periods(context: RequestContext, limits: Limits) -> dict[str, dict[str, Any]]:
    now = now_here()
    # What the whole site has left is no person's to know.
    mine = [each for each in counted_limits(context, limits) if each.holder != SITE]
    used = counters.amounts(each.key_at(now) for each in mine)
    found: dict[str, dict[str, Any]] = {}
    for each in mine:
        told = _told(each.most, used[each.key_at(now)])
        told["renewed_in"] = each.period.seconds_left(now)
        before = found.get(each.name)
        # All visitors of an address may have less left together.
        if before is None or told["left"] < before["left"]:
            found[each.name] = told
    return found


def _stopped(context: RequestContext) -> str | None:
    try:
        check_stopped_by_staff(context)
    except RequestRefused as refusal:
        return refusal.message
    return None


def _told(limit: int, used: int) -> dict[str, Any]:
    return {"limit": limit, "used": used, "left": max(0, limit - used)}
