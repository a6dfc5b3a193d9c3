"""What is added to the rows of sums of use.

It is added where the rows are: reading, changing and writing them takes most of the
time that folding takes. Only reasons of failures are added here.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import add as plus
from typing import Any, NamedTuple

from django.db import connections
from django.utils import timezone

from .. import models
from ..transactions import alias, features

# Owners that one statement names, and rows that it writes.
OWNERS, ROWS = 500, 500
FIGURES = ("bytes", "tokens", "input_tokens", "output_tokens", "cost", "unpriced")
NUMBERS = ("runs", "images", "failed", *FIGURES)
UNIQUE = ("period", "start", "owner", "model")
CHANGED = [*NUMBERS, "failures", "updated_at"]
# A sum of two costs on SQLite, whose numbers are not decimal.
ROUNDED = "ROUND({0}, 6)"
Number = int | Decimal
Period = models.UseSummary.Period


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
        self.numbers = list(map(plus, self.numbers, numbers))
        for reason, count in failures.items():
            left = self.failures.get(reason, 0) + count
            self.failures[reason] = left
            if not left:
                del self.failures[reason]


def numbers_of(row: models.UseSummary) -> list[Number]:
    """Return what a sum has, in the order of ``NUMBERS``."""
    return [getattr(row, name) for name in NUMBERS]


def add(changes: Mapping[Key, Amounts]) -> None:
    """Add to sums, which are locked. Those that are not there are made."""
    if not features().supports_update_conflicts:
        _change(changes)
        return
    _upsert({key: each for key, each in changes.items() if not each.failures})
    _change({key: each for key, each in changes.items() if each.failures})


def _upsert(changes: Mapping[Key, Amounts]) -> None:
    connection = connections[alias()]
    columns = (*UNIQUE, *NUMBERS, "failures", "updated_at")
    fields: Any = [models.UseSummary._meta.get_field(name) for name in columns]
    names = ", ".join(connection.ops.quote_name(each.column) for each in fields)
    now = fields[-1].get_db_prep_save(timezone.now(), connection)
    rows = [*changes.items()]
    # Texts are parameters, of which SQLite takes some hundred.
    texts = [fields[columns.index(name)] for name in ("owner", "model", "updated_at")]
    size = max(1, min(ROWS, connection.ops.bulk_batch_size(texts, rows)))
    with connection.cursor() as cursor:
        for begin in range(0, len(rows), size):
            some = rows[begin : begin + size]
            lines = ", ".join(_line(*each) for each in some)
            cursor.execute(
                f"INSERT INTO {_table(connection)} ({names}) VALUES {lines} "
                f"{_on_conflict(connection)}",
                [
                    value
                    for key, _amounts in some
                    for value in (key.owner, key.model, now)
                ],
            )


def _line(key: Key, amounts: Amounts) -> str:
    """Return the values of a row.

    Numbers are written into it: to quote millions of them, one by one, takes a driver
    longer than it takes a database to add them.
    """
    numbers = ", ".join(
        f"{each:f}" if isinstance(each, Decimal) else f"{each:d}"
        for each in amounts.numbers
    )
    period = Period(key.period).value
    return f"('{period}', '{key.start.isoformat()}', %s, %s, {numbers}, '{{}}', %s)"


def _table(connection: Any) -> str:
    quoted: str = connection.ops.quote_name(models.UseSummary._meta.db_table)
    return quoted


def _on_conflict(connection: Any) -> str:
    """Return what is done with a row that is there: the new numbers are added."""
    quote, is_mysql = connection.ops.quote_name, connection.vendor == "mysql"
    changes = []
    for name in (*NUMBERS, "updated_at"):
        field: Any = models.UseSummary._meta.get_field(name)
        column = quote(field.column)
        new = f"VALUES({column})" if is_mysql else f"excluded.{column}"
        if name in NUMBERS:
            total = f"{_table(connection)}.{column} + {new}"
            is_rounded = name == "cost" and connection.vendor == "sqlite"
            new = ROUNDED.format(total) if is_rounded else total
        changes.append(f"{column} = {new}")
    unique = ", ".join(map(quote, UNIQUE))
    clause = "ON DUPLICATE KEY UPDATE"
    if not is_mysql:
        clause = f"ON CONFLICT ({unique}) DO UPDATE SET"
    return f"{clause} {', '.join(changes)}"


def _change(changes: Mapping[Key, Amounts]) -> None:
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
            amounts.add(numbers_of(row), row.failures or {})
            changed.append(row)
        for name, number in zip(NUMBERS, amounts.numbers, strict=True):
            setattr(row, name, number)
        row.failures, row.updated_at = amounts.failures, now
    models.UseSummary.objects.bulk_create(made, batch_size=ROWS)
    _update(changed)


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
