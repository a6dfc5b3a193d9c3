"""Counters of use, each changed by whoever has locked its holder's row.

So a count is exact on every database, however many processes grant something at once.
The lock is an update: SQLite has no other, and elsewhere whoever reads after it sees
what others have committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from .. import models
from ..transactions import features

UNIQUE = ("owner", "kind", "period")
# The holder of what all people use together. No owner has this key.
SITE = "~site"


class Key(NamedTuple):
    """What one counter counts.

    Attributes:
        holder: An owner, the digest of an address, or ``SITE``. The column is
            ``owner``.
        kind: A value of ``UseKind``.
        period: The name of a period.
    """

    holder: str
    kind: str
    period: str


def lock(holders: Iterable[str]) -> None:
    """Lock the counters of holders until the transaction ends.

    Call it before anything else in the transaction: all do, and in one order, so that
    no two wait for each other.
    """
    for holder in sorted(set(holders)):
        rows = models.UseCounter.objects.filter(owner=holder, kind="", period="")
        if not rows.update(updated_at=timezone.now()):
            # Another transaction may make the row at this moment. MariaDB gives two
            # plain inserts that wait for it a shared lock, and then they wait for each
            # other; this takes the row as an update does.
            _upsert([models.UseCounter(owner=holder)], ["updated_at"])


def amounts(keys: Iterable[Key]) -> dict[Key, int]:
    """Return what counters say, 0 for those that have no row."""
    wanted = dict.fromkeys(keys, 0)
    same = Q(pk=None)
    for key in wanted:
        same |= Q(owner=key.holder, kind=key.kind, period=key.period)
    rows = models.UseCounter.objects.filter(same).order_by()
    for *key, amount in rows.values_list(*UNIQUE, "amount"):
        wanted[Key(*key)] = amount
    return wanted


def add(changes: Mapping[Key, int]) -> None:
    """Change counters whose holders are locked."""
    now = timezone.now()
    rows = [
        models.UseCounter(
            owner=key.holder,
            kind=key.kind,
            period=key.period,
            amount=amount + changes[key],
            updated_at=now,
        )
        for key, amount in amounts(changes).items()
        if changes[key]
    ]
    _upsert(rows, ["amount", "updated_at"])


def _upsert(rows: list[models.UseCounter], columns: list[str]) -> None:
    """Insert rows; of those that are there set the columns."""
    can = features()
    if can.supports_update_conflicts:
        targets = UNIQUE if can.supports_update_conflicts_with_target else None
        models.UseCounter.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=targets, update_fields=columns
        )
        return
    for row in rows:
        values = {name: getattr(row, name) for name in columns}
        same = {name: getattr(row, name) for name in UNIQUE}
        models.UseCounter.objects.update_or_create(**same, defaults=values)
