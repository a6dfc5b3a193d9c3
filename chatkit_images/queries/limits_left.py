"""What a person may still use, told before it is used up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Sum

from .. import models
from ..conf import Limits
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..periods import now_here
from . import brakes, counters
from .counted import counted
from .counters import SITE


def left(context: RequestContext, limits: Limits) -> dict[str, Any]:
    """Return of each limit what is used and what is left, and what staff have stopped.

    Args:
        context: Who asks.
        limits: What they may use.
    """
    found = _of_periods(context, limits)
    rows = models.Attachment.objects.for_owner(context.owner).order_by()
    states: dict[str, Callable[[], int]] = {
        "RUNS_AT_ONCE": lambda: (
            models.Run.objects.for_owner(context.owner).running().count()
        ),
        "ATTACHMENTS_WAITING": lambda: rows.filter(thread=None).count(),
        "BYTES_STORED": lambda: rows.aggregate(sum=Sum("bytes"))["sum"] or 0,
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
    rules = [rule for rule in counted(context, limits) if rule.holder != SITE]
    used = counters.amounts(rule.key_at(now) for rule in rules)
    found: dict[str, dict[str, Any]] = {}
    for rule in rules:
        told = _told(rule.limit, used[rule.key_at(now)])
        told["renewed_in"] = rule.period.seconds_left(now)
        before = found.get(rule.name)
        # All visitors of an address may have less left together.
        if before is None or told["left"] < before["left"]:
            found[rule.name] = told
    return found


def _stopped(context: RequestContext) -> str | None:
    try:
        brakes.check_brakes(context)
    except RequestRefused as refusal:
        return refusal.message
    return None


def _told(limit: int, used: int) -> dict[str, Any]:
    return {"limit": limit, "used": used, "left": max(0, limit - used)}
