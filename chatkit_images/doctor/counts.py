"""Counters of limits that say something else than the ledger.

Compared are those of the present day and month, which limits are held against. Those of
an hour or a minute are over before anybody could mend them. The site's counters begin
when a limit of the site is set, so the ledger does not say what they should be. Where
retention may have deleted entries of the period, the ledger says what there is at
least.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db.models import Sum

from .. import models
from ..maintenance.owners_retention import OwnersRetention
from ..periods import Period, now_here
from ..queries import counters
from ..queries.counters import SITE, Key
from ..queries.use import IMAGE, RUN, TOKENS
from ..transactions import atomic
from .drift import PAGE, Finding, Look

COUNTERS = "counters"
# What is counted in which period.
COUNTED = (
    (IMAGE, Period.DAY),
    (TOKENS, Period.DAY),
    (TOKENS, Period.MONTH),
    (RUN, Period.MONTH),
)
# How the digest of an address begins. No owner does.
ADDRESS = "~"
# What retention calls the entries of the ledger.
ENTRIES = "USE_ENTRIES"


def find(look: Look) -> Iterator[Finding]:
    """Yield the counters of now that are out of step with the ledger."""
    kept = _Kept()
    for column in ("owner", "address"):
        for holders in _pages(column, look):
            yield from _compared(holders, kept)
    # What has a counter and no entry.
    rows = models.UseCounter.objects.filter(period__in=_periods()).exclude(amount=0)
    for page in look.pages(rows.exclude(kind="").exclude(owner=SITE)):
        holders = _without_entries({row.owner for row in page})
        yield from _compared(holders, kept)


def _pages(column: str, look: Look) -> Iterator[list[str]]:
    """Yield those who are named by entries of this month, page by page."""
    if look.after:
        return  # The other look was through with these.
    first = now_here().date().replace(day=1)
    entries = models.UseEntry.objects.filter(day__gte=first).exclude(**{column: ""})
    names = entries.order_by(column).values_list(column, flat=True).distinct()
    page = list(names[:PAGE])
    while page:
        yield page
        look.count(len(page))
        page = list(names.filter(**{f"{column}__gt": page[-1]})[:PAGE])


def _without_entries(holders: set[str]) -> list[str]:
    """Return those of holders whom no entry of this month names."""
    first = now_here().date().replace(day=1)
    entries = models.UseEntry.objects.filter(day__gte=first).order_by()
    for column in ("owner", "address"):
        named = entries.filter(**{f"{column}__in": list(holders)})
        holders -= set(named.values_list(column, flat=True).distinct())
    return sorted(holders)


def _compared(holders: list[str], kept: _Kept) -> Iterator[Finding]:
    noted = _noted(holders)
    rows = models.UseCounter.objects.filter(owner__in=holders, period__in=_periods())
    said = {
        Key(*key): amount
        for *key, amount in rows.order_by().values_list(*counters.UNIQUE, "amount")
    }
    for key in sorted({*noted, *said}):
        if (key.kind, _period_of(key.period)) not in COUNTED:
            continue
        counted, right = said.get(key, 0), noted.get(key, 0)
        if _is_wrong(key, counted, right, kept):
            what = f"UseCounter {key.holder} {key.kind} {key.period}"
            why = f"it says {counted}, the ledger {right}"
            mend = partial(_mend, key, kept)
            yield Finding(COUNTERS, what, why, mend=mend, storages=())


def _is_wrong(key: Key, counted: int, right: int, kept: _Kept) -> bool:
    if counted <= right:
        return counted < right
    return kept.has_all(key)


class _Kept:
    """Of which counters the ledger has all entries for sure."""

    def __init__(self) -> None:
        self._retention = OwnersRetention()
        self._unsure: set[str] = set()

    def has_all(self, key: Key) -> bool:
        """Whether no entry of a counter can have been deleted, or changed."""
        if key.holder.startswith(ADDRESS):
            # The entries of a user who was deleted have no address any more.
            return False
        failed = self._retention.failed
        limit = self._retention.limit_of(ENTRIES, key.holder)
        if self._retention.failed > failed:
            # What the project's method has said another time is not known.
            self._unsure.add(key.holder)
        now = now_here()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        is_kept = limit is None or limit <= month
        return is_kept and key.holder not in self._unsure


def _noted(holders: list[str]) -> dict[Key, int]:
    """Return what the ledger says of the counters of holders."""
    now = now_here().date()
    found: dict[Key, int] = {}
    named = [each for each in holders if not each.startswith(ADDRESS)]
    digests = [each for each in holders if each.startswith(ADDRESS)]
    for kind, period in COUNTED:
        since = now if period is Period.DAY else now.replace(day=1)
        entries = models.UseEntry.objects.filter(day__gte=since, kind=kind).order_by()
        for column, names in (("owner", named), ("address", digests)):
            own = entries.filter(**{f"{column}__in": names})
            for holder, amount in own.values_list(column).annotate(Sum("amount")):
                found[Key(holder, kind, now.strftime(period.value))] = amount
    return found


def _periods() -> list[str]:
    now = now_here()
    return [period.name_at(now) for period in (Period.DAY, Period.MONTH)]


def _period_of(name: str) -> Period:
    return Period.DAY if name.count("-") == 2 else Period.MONTH


@atomic()
def _mend(key: Key, kept: _Kept) -> bool:
    counters.lock([key.holder])
    counted = counters.amounts([key])[key]
    right = _noted([key.holder]).get(key, 0)
    if key.period in _periods() and _is_wrong(key, counted, right, kept):
        counters.add({key: right - counted})
    return True
