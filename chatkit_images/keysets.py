"""Keyset pages: rows behind a position in the order of their times.

``a < x OR (a = x AND b < y)`` says what they are, but databases only filter by it and
read all rows before. What bounds an index is another condition for each of them.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connections, models

M = TypeVar("M", bound=models.Model)
Position = tuple[Any, Any]


def page(
    rows: models.QuerySet[M],
    position: Position | None,
    order: str,
    limit: int,
    within: dict[str, Any],
    column: str = "created_at",
) -> list[M]:
    """Return the first rows after ``(created_at, pk)``, in that order.

    Args:
        rows: The rows, in any order.
        position: Where the page before ended; ``None`` for the first.
        order: ``"asc"`` for oldest first, else newest first.
        limit: How many rows.
        within: Columns that an index begins with, and of what value they are. The index
            goes on with ``created_at`` and the primary key.
        column: Another one than ``created_at`` in which the rows are ordered.
    """
    sign, op = ("", "gt") if order == "asc" else ("-", "lt")
    keys = [f"{sign}{column}", f"{sign}pk"]
    vendor = connections[rows.db].vendor
    if position is None:
        return list(rows.filter(**within).order_by(*keys)[:limit])
    if vendor == "postgresql":
        beyond = _beyond(rows.model, column, position, "<" if sign else ">")
        return list(rows.filter(beyond, **within).order_by(*keys)[:limit])
    # Other databases compare rows without an index, or with its first columns. So there
    # is one statement for the rows of the same time, and one for the others.
    value, pk = position
    same = {column: value}
    if vendor == "mysql":
        # MySQL and MariaDB that can look up a value do not bound the index by the
        # columns behind it. So it is a range, as if it were several values.
        keys = [*(f"{sign}{column}" for column in within), *keys]
        within, same = _range(within), _range(same)
    rows = rows.filter(**within)
    ties = rows.filter(**same, **{f"pk__{op}": pk})
    found = list(ties.order_by(*keys)[:limit])
    if len(found) < limit:
        later = rows.filter(**{f"{column}__{op}": value})
        found += later.order_by(*keys)[: limit - len(found)]
    return found


def _range(values: dict[str, Any]) -> dict[str, Any]:
    least = {f"{column}__gte": value for column, value in values.items()}
    return least | {f"{column}__lte": value for column, value in values.items()}


def _beyond(model: type[Any], column: str, position: Position, op: str) -> models.Func:
    """Return a comparison of rows, as Django's expressions make it."""
    fields = model._meta.get_field(column), model._meta.pk
    values = zip(position, fields, strict=True)
    made: dict[str, Any] = {"output_field": models.BooleanField()}
    row = {"template": "(%(expressions)s)"} | made
    return models.Func(
        models.Func(models.F(column), models.F("pk"), **row),
        models.Func(*(models.Value(*each) for each in values), **row),
        template="%(expressions)s",
        arg_joiner=f" {op} ",
        **made,
    )
