"""What a person may still use, told before it is used up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Sum

from .. import models
from ..conf import Limits
from ..context import RequestContext
from ..periods import now_here
from . import counters
from .counted import counted
from .counters import SITE


def left(context: RequestContext, limits: Limits) -> dict[str, dict[str, Any]]:
    """Return of each limit what it is, what is used of it and what is left."""
    now = now_here()
    rules = counted(context, limits)
    used = counters.amounts(rule.key_at(now) for rule in rules)
    found: dict[str, dict[str, Any]] = {}
    for rule in rules:
        amount = used[rule.key_at(now)]
        told = _told(rule.limit, amount, rule.period.seconds_left(now))
        before = found.get(rule.name)
        # What all visitors of an address have left may be less.
        if rule.holder != SITE and (before is None or told["left"] < before["left"]):
            found[rule.name] = told
    rows = models.Attachment.objects.for_owner(context.owner).order_by()
    states: dict[str, Callable[[], int]] = {
        "RUNS_AT_ONCE": lambda: (
            models.Run.objects.for_owner(context.owner).running().count()
        ),
        "ATTACHMENTS_WAITING": lambda: rows.filter(thread=None).count(),
        "BYTES_STORED": lambda: rows.aggregate(sum=Sum("bytes"))["sum"] or 0,
    }
    for name, count in states.items():
        if (limit := limits.get(name)) is not None:
            found[name] = _told(limit, count(), None)
    for name in ("MESSAGE_PARTS", "MESSAGE_BYTES", "THREAD_ITEMS", "OPEN_STREAMS"):
        if (limit := limits.get(name)) is not None:
            found[name] = {"limit": limit}
    return found


def _told(limit: int, used: int, seconds: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {"limit": limit, "used": used, "left": max(0, limit - used)}
    return told if seconds is None else told | {"renewed_in": seconds}
