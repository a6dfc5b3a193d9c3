"""Limits of what a person may use, checked in the transaction that grants it."""

from __future__ import annotations

import datetime

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import models
from ..conf import Limits
from ..context import RequestContext
from ..periods import Period, now_here
from . import counters
from .brakes import check_brakes
from .counted import UPLOAD, Counted, address_of, counted
from .counters import SITE, Key
from .limit_words import refused, too_many_runs, used_up
from .use import RUN, TOKENS, holders

# The code of the refusal of one run more than an owner may have at once.
TOO_MANY_RUNS = "runs_at_once"
# What a run is expected to use while nothing is known of an owner's runs.
TOKENS_OF_A_RUN = 10_000


def check_run(context: RequestContext, limits: Limits) -> None:
    """Refuse a run for which nothing is left. Locks the counters of its owner.

    Call it first in the transaction that makes the run.

    Raises:
        RequestRefused: If staff have stopped everybody or the owner, if the owner has
            too many runs at once, or if something is used up.
    """
    counters.lock(holders(context.owner, address_of(context)))
    check_brakes(context)
    running = models.Run.objects.for_owner(context.owner).running().count()
    most = limits.get("RUNS_AT_ONCE")
    if most is not None and running >= most:
        raise too_many_runs(most)
    rules = counted(context, limits)
    _check([rule for rule in rules if rule.kind != UPLOAD], running)


def count_upload(context: RequestContext, limits: Limits) -> None:
    """Count an upload that begins, whatever becomes of it. Locks the owner's counters.

    Call it first in a transaction.

    Raises:
        RequestRefused: If the owner is blocked, or has sent too many.
    """
    holding = [who for who in (context.owner, address_of(context)) if who]
    counters.lock(holding)
    check_brakes(context, brake=False)
    _check([rule for rule in counted(context, limits) if rule.kind == UPLOAD])
    name = Period.MINUTE.name_at(now_here())
    counters.add({Key(who, UPLOAD, name): 1 for who in holding})


def check_waiting(context: RequestContext, limits: Limits) -> None:
    """Refuse one more file that waits for its message. Locks the owner's counters.

    Call it in the transaction that makes the row of the file, before anything else.

    Raises:
        RequestRefused: If the owner is blocked, or if too many files wait.
    """
    counters.lock([context.owner])
    check_brakes(context, brake=False)
    most = limits.get("ATTACHMENTS_WAITING")
    rows = models.Attachment.objects.for_owner(context.owner).order_by()
    if most is not None and rows.filter(thread=None).count() >= most:
        text = ngettext(
            "%(limit)d file waits for its message. Send or remove it first.",
            "%(limit)d files wait for a message. Send or remove some first.",
            most,
        )
        raise refused("ATTACHMENTS_WAITING", text % {"limit": most})


def check_room(context: RequestContext, limits: Limits, size: int) -> None:
    """Refuse a file for which there is no room. The owner's counters are locked.

    Args:
        context: Whose file it is.
        limits: What they may use.
        size: Bytes that are not counted yet. The row of a file counts from the moment
            it is announced, with the size that was announced.

    Raises:
        RequestRefused: If there is no room.
    """
    room = limits.get("BYTES_STORED")
    if room is None:
        return
    rows = models.Attachment.objects.for_owner(context.owner).order_by()
    stored = rows.aggregate(sum=Sum("bytes"))["sum"] or 0
    if stored + size > room:
        text = _("There is no room left for your files. Remove some first.")
        raise refused("BYTES_STORED", text)


def _check(rules: list[Counted], running: int = 0) -> None:
    now = now_here()
    used = counters.amounts(rule.key_at(now) for rule in rules)
    for rule in rules:
        amount = used[rule.key_at(now)]
        if rule.kind == TOKENS:
            if rule.holder == SITE:
                running = models.Run.objects.running().count()
            amount += running * _tokens_of_a_run(rule.holder, now)
        if amount >= rule.limit:
            raise used_up(rule, now)


def _tokens_of_a_run(holder: str, now: datetime.datetime) -> int:
    """Return what a running run of an owner is expected to use."""
    month = Period.MONTH.name_at(now)
    runs, tokens = Key(holder, RUN, month), Key(holder, TOKENS, month)
    known = counters.amounts([runs, tokens])
    if not known[runs] or not known[tokens]:
        return TOKENS_OF_A_RUN
    return known[tokens] // known[runs]
