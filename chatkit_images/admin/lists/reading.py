"""How the rows of a page are read: along an index, and never further than a bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from ... import keysets
from .counts import MOST_COUNTED, Count, count
from .orders import Order, Position

# Rows that a page looks at, if what it looks for is answered by no index.
MOST_READ = 10_000


@dataclass
class Reading:
    """What is known of the rows of a list.

    Attributes:
        rows: All that match, in the order of the list.
        walk: All that an index gives in the order ``by``, of which ``rows`` are some.
        by: The order of that index.
        order: The order of the list.
        within: The column of ``walk`` that the index begins with, and its value.
        is_direct: Whether ``walk`` has no other rows than ``rows``.
        is_few: Whether there are so few ``rows`` that all of them may be sorted.
        is_for_words: Whether words are searched. Then it takes as many statements where
            they are few as where they are many.
    """

    rows: QuerySet[Any]
    walk: QuerySet[Any]
    by: Order
    order: Order
    within: dict[str, Any] = field(default_factory=dict)
    is_direct: bool = False
    is_few: bool = False
    is_for_words: bool = False

    @property
    def is_windowed(self) -> bool:
        """Whether a page looks at the next rows of the walk, and at no others."""
        follows = self.is_direct and self.order == self.by
        return not (self.is_few or follows)

    def page(self, at: Position | None, backwards: bool, limit: int) -> Page:
        """Return the rows behind a position, or before it if it goes backwards."""
        end = None
        rows, descending = self.rows, self.order.descending != backwards
        if self.is_windowed or self.is_for_words:
            # In another order it stands at the newest rows, whatever the position is.
            follows = self.order == self.by
            by = Order(self.by.column, descending if follows else self.by.descending)
            end = self.window(at if follows else None, by, MOST_READ)
            if not self.is_windowed:
                end = None
            if end is not None:
                op = "gte" if by.descending else "lte"
                rows = rows.filter(**{f"{by.column}__{op}": end})
        order = Order(self.order.column, descending)
        if self.is_few or self.order != self.by:
            found = _sorted(rows, order, at, limit + 1)
        else:
            found = _along(rows, order, at, limit + 1, self.within)
        more = len(found) > limit
        found = found[:limit]
        if backwards:
            found.reverse()
        return Page(found, more, end)

    def window(self, at: Position | None, by: Order, size: int) -> Any:
        """Return the value at which a window ends; ``None`` if it has all the rest."""
        rows = self.walk
        if at is not None:
            op = "lte" if by.descending else "gte"
            rows = rows.filter(**{f"{by.column}__{op}": at.value})
        # Without the key: an index alone answers that, and no row has to be read.
        values = rows.order_by(by.keys[0]).values_list(by.column, flat=True)
        return next(iter(values[size : size + 1]), None)

    def count(self) -> Count:
        """Return how many rows match, as far as this is known from few rows."""
        if self.is_direct and self.order == self.by:
            # It is joined to nothing.
            return count(self.walk.order_by(*self.by.keys))
        end = None
        if self.is_windowed or self.is_for_words:
            end = self.window(None, self.by, MOST_COUNTED)
        if end is None or not self.is_windowed:
            return count(self.rows.order_by())
        op = "gte" if self.by.descending else "lte"
        rows = self.rows.order_by().filter(**{f"{self.by.column}__{op}": end})
        return Count(count(rows), is_least=True)


@dataclass
class Page:
    """Rows of a page, in the order of the list.

    Attributes:
        rows: They are.
        has_more: Whether more are known in the direction in which it was read.
        end: Up to which value it has looked; ``None`` if to the end.
    """

    rows: list[Any]
    has_more: bool
    end: Any


def _along(
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


def _sorted(
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
