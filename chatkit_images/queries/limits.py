"""Limits of what a person may use, checked in the transaction that grants it."""

from __future__ import annotations

import datetime

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import models
from ..conf import Limits, settings
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..periods import Period, now_here
from ..querysets import OwnedQuerySet
from ..transactions import atomic
from ..visitors import is_visitor
from . import counters
from .brakes import check_block, check_stopped_by_staff
from .counted_limits import UPLOAD, CountedLimit, address_of, counted_limits
from .counters import SITE, Key
from .limit_words import refused, too_many_runs, used_up
from .use import IMAGE, RUN, TOKENS, holders

# The code of the refusal of one run more than an owner may have at once.
TOO_MANY_RUNS = "runs_at_once"
# What a run is expected to use while nothing is known of an owner's runs.
TOKENS_OF_A_RUN = 10_000


def look_run(context: RequestContext, limits: Limits) -> None:
    """Refuse a run for which nothing is left already, without a lock.

    Others would wait for the locks of whoever asks again and again. What passes is
    still to be checked, by ``check_run()``.

    Raises:
        RequestRefused: As ``check_run()``, but not by tokens.
    """
    found = counted_limits(context, limits)
    try:
        _check_running(context, limits)
        _check([limit for limit in found if limit.kind in (RUN, IMAGE)])
    except RequestRefused:
        check_stopped_by_staff(context)
        raise


def check_run(context: RequestContext, limits: Limits) -> None:
    """Refuse a run for which nothing is left. Locks the counters of its owner.

    Call it first in the transaction that makes the run.

    Raises:
        RequestRefused: If staff have stopped everybody or the owner, if the owner has
            too many runs at once, or if something is used up.
    """
    counters.lock(holders(context.owner, address_of(context)))
    check_stopped_by_staff(context)
    running = _check_running(context, limits)
    found = counted_limits(context, limits)
    _check([limit for limit in found if limit.kind != UPLOAD], running)


def look_upload(context: RequestContext, limits: Limits) -> None:
    """Refuse an upload if too many were sent already, without a lock.

    Call it before the body is parsed. What passes is still to be counted, by
    ``count_upload()``.

    Raises:
        RequestRefused: If the owner has sent too many.
    """
    found = counted_limits(context, limits)
    try:
        _check([limit for limit in found if limit.kind == UPLOAD])
    except RequestRefused:
        check_block(context)
        raise


def count_upload(context: RequestContext, limits: Limits) -> None:
    """Count an upload that begins, whatever becomes of it. Locks the owner's counters.

    Call it first in a transaction.

    Raises:
        RequestRefused: If the owner is blocked, or has sent too many.
    """
    holding = [who for who in (context.owner, address_of(context)) if who]
    counters.lock(holding)
    check_block(context)
    found = counted_limits(context, limits)
    _check([limit for limit in found if limit.kind == UPLOAD])
    name = Period.MINUTE.name_at(now_here())
    counters.add({Key(who, UPLOAD, name): 1 for who in holding})


@atomic()
def count_dictation(context: RequestContext, limits: Limits) -> None:
    """Count what a person says as an upload.

    Raises:
        RequestRefused: If the owner is blocked, or has sent too much.
    """
    count_upload(context, limits)


@atomic()
def count_foreign(context: RequestContext, limits: Limits) -> None:
    """Count a file that another attachment store is about to take.

    Raises:
        RequestRefused: If the owner is blocked, has sent too many files, or if too many
            of them wait.
    """
    count_upload(context, limits)
    check_files_waiting(context, limits)


def check_files_waiting(context: RequestContext, limits: Limits) -> None:
    """Refuse one more file that waits for its message. Locks the owner's counters.

    Call it in the transaction that makes the row of the file, before anything else.

    Raises:
        RequestRefused: If the owner is blocked, or if too many files wait.
    """
    counters.lock([context.owner])
    check_block(context)
    most = limits.get("ATTACHMENTS_WAITING")
    if most is not None and files_waiting(context.owner) >= most:
        text = ngettext(
            "%(limit)d file waits for its message. Send or remove it first.",
            "%(limit)d files wait for a message. Send or remove some first.",
            most,
        )
        raise refused("ATTACHMENTS_WAITING", text % {"limit": most})


def check_stored(context: RequestContext, limits: Limits, size: int) -> None:
    """Refuse bytes above ``BYTES_STORED``. The owner's counters are locked.

    Args:
        context: Whose file it is.
        limits: What they may use.
        size: Bytes that are not counted yet. The row of a file counts from the moment
            it is announced, with the size that was announced.

    Raises:
        RequestRefused: If the owner would have too many.
    """
    most = limits.get("BYTES_STORED")
    if most is not None and bytes_stored(context.owner) + size > most:
        text = _("There is no room left for your files. Remove some first.")
        raise refused("BYTES_STORED", text)


def by_settings(context: RequestContext) -> Limits:
    """Return what a person may use, as the setting ``LIMITS`` says."""
    return settings.limits_of(visitor=is_visitor(context.owner))


def runs_at_once(owner: str) -> int:
    """Return how many runs of an owner go on."""
    return models.Run.objects.for_owner(owner).running().count()


def files_waiting(owner: str) -> int:
    """Return how many files of an owner are in no message yet."""
    return _files(owner).filter(thread=None).count()


def bytes_stored(owner: str) -> int:
    """Return the bytes of an owner's files, with those that are announced."""
    return _files(owner).aggregate(sum=Sum("bytes"))["sum"] or 0


def _files(owner: str) -> OwnedQuerySet[models.Attachment]:
    return models.Attachment.objects.for_owner(owner).order_by()


def _check_running(context: RequestContext, limits: Limits) -> int:
    """Return how many runs an owner has, if they may have one more."""
    running = runs_at_once(context.owner)
    most = limits.get("RUNS_AT_ONCE")
    if most is not None and running >= most:
        raise too_many_runs(most)
    return running


def _check(limits: list[CountedLimit], running: int = 0) -> None:
    """Refuse what is used up.

    Args:
        limits: What is checked.
        running: How many runs of the owner go on.
    """
    now = now_here()
    used = counters.amounts(limit.key_at(now) for limit in limits)
    for limit in limits:
        amount = used[limit.key_at(now)]
        if limit.kind == TOKENS:
            at_once = (
                models.Run.objects.running().count()
                if limit.holder == SITE
                else running
            )
            amount += at_once * _tokens_of_a_run(limit.holder, now)
        if amount >= limit.most:
            raise used_up(limit, now)


def _tokens_of_a_run(holder: str, now: datetime.datetime) -> int:
    """Return what a running run of an owner is expected to use."""
    month = Period.MONTH.name_at(now)
    runs, tokens = Key(holder, RUN, month), Key(holder, TOKENS, month)
    known = counters.amounts([runs, tokens])
    if not known[runs] or not known[tokens]:
        return TOKENS_OF_A_RUN
    return known[tokens] // known[runs]
