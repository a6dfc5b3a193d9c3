"""How the rows of a page are read: along an index, and never further than a bound.

Beyond the bound it reads only rows that have the same value as the last one within it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import QuerySet

from .counts import Count, bounded, count
from .orders import Order, Position
from .ranges import along, nearest_of, sort, until

# Rows that a page looks at, if what it looks for is answered by no index.
MOST_READ = 2000


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
        places: The values of the order and the keys of all ``rows``, if they are known.
        threads: Those that have all ``rows``, and no others.
    """

    rows: QuerySet[Any]
    walk: QuerySet[Any]
    by: Order
    order: Order
    within: dict[str, Any] = field(default_factory=dict)
    is_direct: bool = False
    is_few: bool = False
    places: list[tuple[Any, Any]] | None = None
    threads: list[str] | None = None

    @property
    def is_windowed(self) -> bool:
        """Whether a page looks at the next rows of the walk, and at no others."""
        follows = self.is_direct and self.order == self.by
        return not (self.is_few or follows)

    def page(self, at: Position | None, backwards: bool, limit: int) -> Page:
        """Return the rows behind a position, or before it if it goes backwards."""
        if self.places is not None:
            return self._page_of(self.places, at, backwards, limit)
        end, number, more = None, None, False
        rows, descending = self.rows, self.order.descending != backwards
        if self.is_windowed:
            # In another order it stands at the newest rows, whatever the position is.
            follows = self.order == self.by
            by = Order(self.by.column, descending if follows else self.by.descending)
            begin = at if follows else None
            end = self.window(begin, by)
            rows = until(rows, by, end, begin)
        order = Order(self.order.column, descending)
        if self.is_direct and self.order != self.by:
            places = self._ranked(end)
            page = self._page_of(places, at, backwards, limit)
            return replace(page, end=end, number=len(places) if at is None else None)
        if self.is_few or self.order != self.by:
            if self.threads is not None and self.order == self.by:
                rows = nearest_of(self.threads, self.walk, rows, order, at, limit)
            found = sort(rows, order, at, limit + 1)
        elif self.is_direct and not self.within:
            # SQLite would begin with another table, and sort all rows.
            walk = self.walk.values_list("pk", flat=True)
            keys = along(walk, order, at, limit + 1, self.within)
            found, more = self._rows_of(keys[:limit]), len(keys) > limit
        else:
            found = along(rows, order, at, limit + 1, self.within)
        more = more or len(found) > limit
        found = found[:limit]
        if backwards:
            found.reverse()
        if self.is_windowed and at is None and not backwards and not more:
            number = len(found)
        return Page(found, more, end, number)

    def _page_of(
        self,
        places: list[tuple[Any, Any]],
        at: Position | None,
        backwards: bool,
        limit: int,
    ) -> Page:
        descending = self.order.descending != backwards
        if at is not None:
            here = (at.value,) if at.pk is None else (at.value, at.pk)
            size = len(here)
            places = [
                each
                for each in places
                if (each[:size] < here if descending else each[:size] > here)
            ]
        places = sorted(places, reverse=descending)
        more = len(places) > limit
        found = self._rows_of([pk for _, pk in places[:limit]])
        return Page(found[::-1] if backwards else found, more, None)

    def _rows_of(self, keys: list[Any]) -> list[Any]:
        """Return the rows of keys in the order of the keys."""
        rows = {row.pk: row for row in self.rows.filter(pk__in=keys).order_by()}
        return [rows[key] for key in keys if key in rows]

    def _ranked(self, end: Any) -> list[tuple[Any, Any]]:
        """Return the places of the rows of a window that have a value of the order.

        Whoever has all of them knows their number, too: a database would read or sort
        them once more for that.
        """
        rows = self.walk.filter(**{f"{self.order.column}__isnull": False})
        # Thousands may have the time at which the window ends.
        rows = until(rows, self.by, end).order_by(self.by.keys[0])
        return list(rows.values_list(self.order.column, "pk")[: 2 * MOST_READ])

    def window(self, at: Position | None, by: Order) -> Any:
        """Return the value at which a window ends; ``None`` if it has all the rest."""
        rows = self.walk
        if at is not None:
            op = "lt" if by.descending else "gt"
            # Behind all rows of a value: thousands may have it.
            op += "" if at.pk is None else "e"
            rows = rows.filter(**{f"{by.column}__{op}": at.value})
        # Without the key: an index alone answers that, and no row has to be read.
        values = rows.order_by(by.keys[0]).values_list(by.column, flat=True)
        return next(iter(values[MOST_READ : MOST_READ + 1]), None)

    def count(self, page: Page | None = None) -> Count:
        """Return how many rows match, as far as this is known from few rows.

        Args:
            page: The first page, if that has been read.
        """
        if self.places is not None:
            return bounded(len(self.places))
        if self.is_direct and self.order == self.by:
            # It is joined to nothing, and an index alone answers it.
            rows = self.walk.order_by(self.by.keys[0]).values(self.by.column)
            return count(rows)
        if not self.is_windowed:
            return count(self.rows.order_by().values("pk"))
        end = self.window(None, self.by) if page is None else page.end
        if page is not None and page.number is not None:
            return bounded(page.number, is_least=end is not None)
        rows = until(self.rows.order_by(), self.by, end).values("pk")
        return Count(number := count(rows), end is not None or number.is_least)


@dataclass
class Page:
    """Rows of a page, in the order of the list.

    Attributes:
        rows: They are.
        has_more: Whether more are known in the direction in which it was read.
        end: Up to which value it has looked; ``None`` if to the end.
        number: How many rows match as far as it has looked, if this is known.
    """

    rows: list[Any]
    has_more: bool
    end: Any
    number: int | None = None
