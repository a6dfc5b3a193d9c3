"""What a person reads who has used something up."""

from __future__ import annotations

import datetime

from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..exceptions import RequestRefused
from .counted_limits import UPLOAD, CountedLimit
from .counters import SITE
from .use import IMAGE, TOKENS


def too_many_runs(most: int) -> RequestRefused:
    """Return the refusal of one run more than an owner may have at once."""
    text = ngettext(
        "You have %(limit)d answer on its way. Wait until it is there.",
        "You have %(limit)d answers on their way. Wait until one of them is there.",
        most,
    )
    return refused("RUNS_AT_ONCE", text % {"limit": most}, wait=5)


def used_up(limit: CountedLimit, now: datetime.datetime) -> RequestRefused:
    """Return the refusal of what is used up."""
    seconds = limit.period.seconds_left(now)
    later = now + datetime.timedelta(seconds=seconds)
    if limit.holder == SITE and limit.kind == IMAGE:
        text = _("All images of today are made. There will be more in %(time)s.")
    elif limit.holder == SITE:
        text = _("All answers of today are written. There will be more in %(time)s.")
    elif limit.kind == IMAGE:
        text = _("You have used all %(limit)s images of today. More in %(time)s.")
    elif limit.kind == TOKENS:
        text = _("You have used all that you may use this month. More in %(time)s.")
    elif limit.kind == UPLOAD:
        text = _("You have sent too many files. Send more in %(time)s.")
    else:
        text = _("You have asked too often. Ask again in %(time)s.")
    words = text % {"limit": limit.most, "time": _until(later, now, seconds)}
    return refused(limit.name, words, wait=seconds)


def _until(later: datetime.datetime, now: datetime.datetime, seconds: int) -> str:
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {
            "count": seconds
        }
    return timeuntil(later, now, depth=1)


def refused(name: str, text: str, wait: float | None = None) -> RequestRefused:
    """Return the refusal of what is above a limit.

    Args:
        name: The limit's key in ``LIMITS``.
        text: What the person reads.
        wait: Seconds after which the same request may succeed, if time helps.
    """
    return RequestRefused(
        name.lower(),
        text,
        status=429,
        allow_retry=wait is not None,
        retry_after=wait,
    )
