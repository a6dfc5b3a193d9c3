"""The sums of the ledger of use, by day, month and year, person and model.

Entries wait until they are folded into the sums, a batch in a transaction, which one
process does at a time: each entry is in the sums once, whatever happens to a process.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import add
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
# Entries of a batch, many of which are in the same sums, and how many a page folds
# before it is shown.
BATCH, OF_A_PAGE = 1000, 2000
# Owners that one statement names, and rows that it writes.
OWNERS, ROWS = 500, 500
UNIQUE = ("period", "start", "owner", "model")
FIGURES = ("bytes", "tokens", "input_tokens", "output_tokens", "cost", "unpriced")
NUMBERS = ("runs", "images", "failed", *FIGURES)
CHANGED = [*NUMBERS, "failures", "updated_at"]
# What a batch reads of an entry.
COLUMNS = ("pk", "day", "owner", "model", "kind", "reason", "amount", *FIGURES)
Number = int | Decimal


class Key(NamedTuple):
    """What one sum is of. The names are those of the columns."""

    period: str
    start: datetime.date
    owner: str
    model: str


@dataclass
class Amounts:
    """What is added to one sum.

    Attributes:
        numbers: In the order of ``NUMBERS``.
        failures: How many images have failed for each reason.
    """

    numbers: list[Number] = field(default_factory=lambda: [0] * len(NUMBERS))
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, numbers: Iterable[Number], failures: Mapping[str, int]) -> None:
        """Add what an entry or another sum has."""
        self.numbers = list(map(add, self.numbers, numbers))
        for reason, count in failures.items():
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
            # Plain values: models would take half of the time.
            batch = list(waiting().values_list(*COLUMNS)[:BATCH])
            _add(_changes(batch))
            keys = [key for key, *_values in batch]
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
        key = Key(row.period, row.start, new, row.model)
        changes[key].add(_numbers(row), row.failures or {})
    _add(changes)
    models.UseSummary.objects.filter(pk__in=[row.pk for row in found]).delete()
    return len(found)


def _changes(entries: Iterable[Any]) -> dict[Key, Amounts]:
    by_line: dict[Any, Amounts] = defaultdict(Amounts)
    for _key, day, owner, model, *values in entries:
        # What is of no model at all, such as a run, is in no sum of one.
        names = (ALL,) if values[0] == Kind.RUN or model == ALL else (ALL, model)
        by_line[day, owner, names].add(*_amounts(*values))
    changes: dict[Key, Amounts] = defaultdict(Amounts)
    for (day, owner, names), amounts in by_line.items():
        for period, start in _periods(day):
            for holder in {ALL, owner}:
                for model in names:
                    key = Key(period, start, holder, model)
                    changes[key].add(amounts.numbers, amounts.failures)
    return changes


def _amounts(
    kind: str, reason: str, amount: int, *figures: Number
) -> tuple[list[Number], dict[str, int]]:
    """Return what an entry adds to ``NUMBERS``, and its failures."""
    nothing: list[Number] = [0] * len(FIGURES)
    if kind == Kind.RUN:
        return [amount, 0, 0, *nothing], {}
    if kind == Kind.TOKENS:
        nothing[FIGURES.index("tokens")] = amount
        return [0, 0, 0, *nothing], {}
    if kind == Kind.IMAGE:
        return [0, amount, 0, *nothing], {}
    if not reason:
        return [0, amount, 0, *figures], {}
    return [0, 0, amount, *figures], {reason: amount} if amount else {}


def _periods(day: datetime.date) -> list[tuple[str, datetime.date]]:
    month = day.replace(day=1)
    return [
        (Period.DAY.value, day),
        (Period.MONTH.value, month),
        (Period.YEAR.value, month.replace(month=1)),
    ]


def _add(changes: dict[Key, Amounts]) -> None:
    now = timezone.now()
    there = _there(changes)
    made, changed = [], []
    for key, amounts in changes.items():
        row = there.get(key)
        if row is None:
            period, start, owner, model = key
            row = models.UseSummary(
                period=period, start=start, owner=owner, model=model
            )
            made.append(row)
        else:
            amounts.add(_numbers(row), row.failures or {})
            changed.append(row)
        for name, number in zip(NUMBERS, amounts.numbers, strict=True):
            setattr(row, name, number)
        row.failures, row.updated_at = amounts.failures, now
    models.UseSummary.objects.bulk_create(made, batch_size=ROWS)
    _update(changed)


def _numbers(row: models.UseSummary) -> list[Number]:
    return [getattr(row, name) for name in NUMBERS]


def _update(rows: list[models.UseSummary]) -> None:
    if features().supports_update_conflicts:
        targets = ["id"] if features().supports_update_conflicts_with_target else None
        models.UseSummary.objects.bulk_create(
            rows,
            batch_size=ROWS,
            update_conflicts=True,
            unique_fields=targets,
            update_fields=CHANGED,
        )
        return
    models.UseSummary.objects.bulk_update(rows, CHANGED, batch_size=ROWS)


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
