"""Ranges of rows along an order: those behind a position, and up to a value."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import (
    BooleanField,
    DateField,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from ... import keysets
from ...times import long_ago
from .orders import Order, Position


def until(
    rows: QuerySet[Any], by: Order, end: Any, at: Position | None = None
) -> QuerySet[Any]:
    """Return the rows of a window.

    Args:
        rows: Those of all windows.
        by: The order in which windows follow each other.
        end: The value at which it ends; ``None`` if it has all the rest.
        at: Where it begins.
    """
    ops = ("gte", "lte") if by.descending else ("lte", "gte")
    if connections[rows.db].vendor != "sqlite":
        return rows if end is None else rows.filter(**{f"{by.column}__{ops[0]}": end})
    # SQLite takes a quarter of the table for such a part of it, and would begin with
    # each row of another table.
    if end is not None:
        within = Q(**{f"{by.column}__{ops[0]}": end})
    elif at is not None:
        within = Q(**{f"{by.column}__{ops[1]}": at.value})
    else:
        # For the key alone it is ``pk``, which is the name of no field.
        fields = {each.name: each for each in rows.model._meta.fields}
        field = fields.get(by.column)
        if not isinstance(field, DateField):
            return rows
        since = field.to_python(long_ago())
        within = Q(**{f"{by.column}__gte": since})
    few = "likelihood(%(expressions)s, 0.0001)"
    return rows.filter(Func(within, template=few, output_field=BooleanField()))


def along(
    rows: QuerySet[Any],
    order: Order,
    at: Position | None,
    limit: int,
    within: dict[str, Any],
) -> list[Any]:
    """Return the next rows by an index."""
    op = "lt" if order.descending else "gt"
    if at is not None and order.column == "pk":
        rows, at = rows.filter(**{f"pk__{op}": at.value}), None
    if at is not None and at.pk is None:
        rows, at = rows.filter(**{f"{order.column}__{op}": at.value}), None
    if order.column == "pk":
        return list(rows.order_by(*order.keys)[:limit])
    return keysets.page(
        rows,
        None if at is None else (at.value, at.pk),
        "desc" if order.descending else "asc",
        limit,
        within,
        order.column,
    )


def sort(
    rows: QuerySet[Any], order: Order, at: Position | None, limit: int
) -> list[Any]:
    """Return the next of few rows, by sorting them.

    Databases are kept from walking along an index of the order, as the few may be far
    away.
    """
    column, op = order.column, "lt" if order.descending else "gt"
    if at is not None:
        beyond = Q(**{f"{column}__{op}": at.value})
        if at.pk is not None:
            beyond |= Q(**{column: at.value, f"pk__{op}": at.pk})
        rows = rows.filter(beyond)
    # It is the same value, and no index has it.
    key = Coalesce(F(column), F(column))
    pk = "-pk" if order.descending else "pk"
    return list(
        rows.order_by(key.desc() if order.descending else key.asc(), pk)[:limit]
    )


def nearest_of(
    threads: list[str],
    walk: QuerySet[Any],
    rows: QuerySet[Any],
    order: Order,
    at: Position | None,
    limit: int,
) -> QuerySet[Any]:
    """Return those of the rows of threads that a page can have.

    A thread that has a whole page behind the position lets nothing beyond that in. So
    no thread gives more than a page, however many rows it has.

    Args:
        threads: The threads, which are few.
        walk: The rows of all threads.
        rows: The rows of these.
        order: Of the page.
        at: Where the page begins.
        limit: How many rows it has.
    """
    column, op = order.column, "lt" if order.descending else "gt"
    its = walk.filter(thread=OuterRef("pk"))
    if at is not None:
        its = its.filter(**{f"{column}__{op}": at.value})
    last = its.order_by(order.keys[0]).values(column)[limit : limit + 1]
    model: Any = walk.model._meta.get_field("thread").related_model
    ends = model._default_manager.filter(pk__in=threads).order_by()
    found = ends.values_list(Subquery(last), flat=True)
    full = [value for value in found if value is not None]
    if not full:
        return rows
    end = max(full) if order.descending else min(full)
    return rows.filter(**{f"{column}__{'gte' if order.descending else 'lte'}": end})
