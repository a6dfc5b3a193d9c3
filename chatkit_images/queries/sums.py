"""The sums of the ledger of use, by day, month and year, person and model.

Entries wait until they are folded into the sums, a batch in a transaction, which one
process does at a time: each entry is in the sums once, whatever happens to a process.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from .. import models
from ..models import ALL
from ..querysets import OwnedQuerySet
from ..transactions import atomic
from . import counters, sum_rows
from .sum_rows import FIGURES, Amounts, Key, Number

Kind, Period = models.UseKind, models.UseSummary.Period
# The holder of the lock. No owner has this key.
SUMS = "~sums"
# Entries of a batch, many of which are in the same sums, and how many a page folds
# before it is shown.
BATCH, OF_A_PAGE = 1000, 2000
# What a batch reads of an entry.
COLUMNS = ("pk", "day", "owner", "model", "kind", "reason", "amount", *FIGURES)


def lock() -> None:
    """Lock the sums until the transaction ends: before any entry is changed in it."""
    counters.lock([SUMS])


def waiting() -> OwnedQuerySet[models.UseEntry]:
    """Return the entries that no sum has yet, oldest first."""
    # What Django writes for one value makes SQLite read the index of all entries.
    rows = models.UseEntry.objects.filter(is_summed__in=[False])
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
            sum_rows.add(_changes(batch))
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
        changes[key].add(sum_rows.numbers_of(row), row.failures or {})
    sum_rows.add(changes)
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
