"""The sums of the ledger of use, by day, month and year, person and model.

Entries wait until they are folded into the sums, a batch in a transaction, which one
process does at a time: each entry is in the sums once, whatever happens to a process.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils import timezone

from .. import models
from ..models import ALL
from ..querysets import OwnedQuerySet
from ..transactions import atomic, features
from . import counters

Kind, Period = models.UseKind, models.UseSummary.Period
# The holder of the lock. No owner has this key.
SUMS = "~sums"
# Entries of a batch, and how many a page folds before it is shown.
BATCH, OF_A_PAGE = 500, 2000
# Owners that one statement names.
OWNERS = 200
UNIQUE = ("period", "start", "owner", "model")
NUMBERS = (
    *("runs", "images", "failed"),
    *("bytes", "tokens", "input_tokens", "output_tokens", "cost", "unpriced"),
)
CHANGED = [*NUMBERS, "failures", "updated_at"]


class Key(NamedTuple):
    """What one sum is of. The names are those of the columns."""

    period: str
    start: datetime.date
    owner: str
    model: str


@dataclass
class Amounts:
    """What is added to one sum."""

    runs: int = 0
    images: int = 0
    failed: int = 0
    bytes: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, other: Amounts | models.UseSummary) -> None:
        """Add what an entry or another sum has."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, count in (other.failures or {}).items():
            left = self.failures.get(reason, 0) + count
            self.failures[reason] = left
            if not left:
                del self.failures[reason]


def lock() -> None:
    """Lock the sums until the transaction ends: before any entry is changed in it."""
    counters.lock([SUMS])


def waiting() -> OwnedQuerySet[models.UseEntry]:
    """Return the entries that no sum has yet, oldest first."""
    rows = models.UseEntry.objects.filter(is_summed=False)
    return rows.order_by("is_summed", "pk")


def fold(most: int | None = None) -> int:
    """Fold entries that wait into the sums, and return how many.

    Each batch is a transaction of its own. It may be interrupted, and called by several
    processes at once.

    Args:
        most: How many at most, in whole batches. Default: all that wait.
    """
    count = 0
    while most is None or count < most:
        if not waiting()[:1]:
            return count
        with atomic():
            lock()
            batch = list(waiting()[:BATCH])
            _add(_changes(batch))
            keys = [entry.pk for entry in batch]
            models.UseEntry.objects.filter(pk__in=keys).update(is_summed=True)
        count += len(batch)
        if len(batch) < BATCH:
            return count
    return count


def complete_until() -> datetime.datetime | None:
    """Return from when on entries may be missing in the sums; ``None``: all are in."""
    first = waiting().values_list("created_at", flat=True).first()
    found: datetime.datetime | None = first
    return found


def move(owner: str, new: str, *, most: int | None = None) -> int:
    """Give the sums of an owner to another one. The sums are locked.

    Args:
        owner: Whose they are.
        new: Whose they become; empty for nobody's.
        most: How many at most. Default: all.

    Returns:
        How many there were.
    """
    rows = models.UseSummary.objects.for_owner(owner).order_by("period", "start", "pk")
    found = list(rows[:most])
    changes: dict[Key, Amounts] = defaultdict(Amounts)
    for row in found:
        changes[Key(row.period, row.start, new, row.model)].add(row)
    _add(changes)
    models.UseSummary.objects.filter(pk__in=[row.pk for row in found]).delete()
    return len(found)


def _changes(entries: Iterable[models.UseEntry]) -> dict[Key, Amounts]:
    changes: dict[Key, Amounts] = defaultdict(Amounts)
    for entry in entries:
        amounts = _amounts(entry)
        # What is of no model at all, such as a run, is in no sum of one.
        names = [ALL] if entry.kind == Kind.RUN else [ALL, entry.model]
        for period, start in _periods(entry.day):
            for owner in (ALL, entry.owner):
                for model in names:
                    changes[Key(period, start, owner, model)].add(amounts)
    return changes


def _amounts(entry: models.UseEntry) -> Amounts:
    if entry.kind == Kind.RUN:
        return Amounts(runs=entry.amount)
    if entry.kind == Kind.TOKENS:
        return Amounts(tokens=entry.amount)
    if entry.kind == Kind.IMAGE:
        return Amounts(images=entry.amount)
    used = {name: getattr(entry, name) for name in NUMBERS if hasattr(entry, name)}
    if not entry.reason:
        return Amounts(images=entry.amount, **used)
    failures = {entry.reason: entry.amount} if entry.amount else {}
    return Amounts(failed=entry.amount, failures=failures, **used)


def _periods(day: datetime.date) -> list[tuple[str, datetime.date]]:
    month = day.replace(day=1)
    return [
        (Period.DAY.value, day),
        (Period.MONTH.value, month),
        (Period.YEAR.value, month.replace(month=1)),
    ]


def _add(changes: dict[Key, Amounts]) -> None:
    now = timezone.now()
    rows = _there(changes)
    there = set(rows)
    for key, amounts in changes.items():
        row = rows.get(key)
        if row is None:
            row = rows[key] = models.UseSummary(**key._asdict())
        elif row.failures:
            amounts.failures = _merged(row.failures, amounts.failures)
        for name in NUMBERS:
            setattr(row, name, getattr(row, name) + getattr(amounts, name))
        row.failures, row.updated_at = amounts.failures, now
    made = [row for key, row in rows.items() if key not in there]
    models.UseSummary.objects.bulk_create(made, batch_size=OWNERS)
    _update([row for key, row in rows.items() if key in there])


def _update(rows: list[models.UseSummary]) -> None:
    if features().supports_update_conflicts:
        targets = ["id"] if features().supports_update_conflicts_with_target else None
        models.UseSummary.objects.bulk_create(
            rows,
            batch_size=OWNERS,
            update_conflicts=True,
            unique_fields=targets,
            update_fields=CHANGED,
        )
        return
    models.UseSummary.objects.bulk_update(rows, CHANGED, batch_size=OWNERS)


def _there(keys: Iterable[Key]) -> dict[Key, models.UseSummary]:
    """Return the sums that are there, by what they are of."""
    owners: dict[tuple[str, datetime.date], set[str]] = defaultdict(set)
    names: dict[tuple[str, datetime.date], set[str]] = defaultdict(set)
    for key in keys:
        owners[key.period, key.start].add(key.owner)
        names[key.period, key.start].add(key.model)
    found = {}
    for (period, start), holders in owners.items():
        wanted = sorted(holders)
        for begin in range(0, len(wanted), OWNERS):
            rows = models.UseSummary.objects.filter(
                period=period,
                start=start,
                owner__in=wanted[begin : begin + OWNERS],
                model__in=names[period, start],
            )
            for row in rows.order_by():
                found[Key(row.period, row.start, row.owner, row.model)] = row
    return found


def _merged(before: Any, added: dict[str, int]) -> dict[str, int]:
    total = Amounts(failures=dict(before))
    total.add(Amounts(failures=added))
    return total.failures
