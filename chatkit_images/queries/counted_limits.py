"""The limits that counters are held against, and whose counters these are."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.utils.crypto import salted_hmac

from .. import models
from ..conf import Limits, settings
from ..context import RequestContext
from ..periods import Period
from ..visitors import is_visitor
from .counters import SITE, Key
from .use import IMAGE, RUN, TOKENS

UPLOAD = models.UseKind.UPLOAD.value


@dataclass(frozen=True)
class CountedLimit:
    """A limit of what one counter counts.

    Attributes:
        name: Its key in ``LIMITS``.
        holder: Whose counter it is.
        kind: What is counted.
        period: In which period.
        most: How much is allowed in it.
    """

    name: str
    holder: str
    kind: str
    period: Period
    most: int

    def key_at(self, now: datetime.datetime) -> Key:
        """Return the key of the counter at a time."""
        return Key(self.holder, self.kind, self.period.name_at(now))


# What the limits of the settings count, and in which period.
PERIODS = {
    "RUNS_PER_HOUR": (RUN, Period.HOUR),
    "IMAGES_PER_DAY": (IMAGE, Period.DAY),
    "TOKENS_PER_DAY": (TOKENS, Period.DAY),
    "TOKENS_PER_MONTH": (TOKENS, Period.MONTH),
    "UPLOADS_PER_MINUTE": (UPLOAD, Period.MINUTE),
}


def address_of(context: RequestContext) -> str:
    """Return the digest of a visitor's address, empty if it does not count.

    Users are counted by themselves: all of an office may have one address.
    """
    if context.address is None or not is_visitor(context.owner):
        return ""
    digest = salted_hmac("chatkit_images.address", context.address, algorithm="sha256")
    return f"~{digest.hexdigest()[:40]}"


def counted_limits(context: RequestContext, limits: Limits) -> list[CountedLimit]:
    """Return what is counted for a person: for the owner, the address and the site."""
    groups = {context.owner: limits, SITE: settings.limits_of_site()}
    if address := address_of(context):
        groups[address] = settings.limits_of_address()
    return [
        CountedLimit(name, holder, *PERIODS[name], most)
        for holder, group in groups.items()
        for name, most in group.items()
        if name in PERIODS and most is not None
    ]
