"""Pages and their cursors."""

from __future__ import annotations

import datetime
from typing import Any, TypeVar

from chatkit import types
from django.db import models as db

from .. import models
from ..cleaning import clean
from ..exceptions import NotFoundError
from . import references

# Characters of the texts of one answer, in memory until its client has read it. A
# hundred long messages would be a hundred megabytes.
PAGE_SIZE = 4 * 2**20


MAX_PAGE = 100
T = TypeVar("T")


class CountedPage(types.Page[T]):
    """A page that knows how many rows there are.

    Attributes:
        total: How many, on all pages together.
    """

    total: int


def clamp(limit: int) -> int:
    """Return a page size between 1 and 100, because a client may ask for any."""
    return max(1, min(limit, MAX_PAGE))


def number_of_items(thread_id: str) -> db.Subquery:
    """Return the number of a thread's items, in the statement that reads them."""
    rows = models.ThreadItem.objects.filter(thread_id=thread_id).order_by()
    return db.Subquery(
        rows.values("thread_id").annotate(count=db.Count("pk")).values("count"),
        output_field=db.IntegerField(),
    )


def cursor(
    queryset: db.QuerySet[Any], field: str, scope: str, after: str | None
) -> tuple[datetime.datetime, Any] | None:
    """Return the position of a cursor, also if its row has been deleted.

    Raises:
        NotFoundError: If no such row is or was there.
    """
    if after is None:
        return None
    after = clean(after)
    found = queryset.filter(**{field: after}).values_list("created_at", "pk").first()
    if found is None:
        found = (
            models.DeletedPosition.objects.filter(scope=scope, key=after)
            .values_list("stood_at", "position")
            .last()
        )
    if found is None:
        raise NotFoundError(f"Nothing to list after {after}")
    position: tuple[datetime.datetime, Any] = found
    return position


def bury(scope: str, rows: list[tuple[str, Any, datetime.datetime]]) -> None:
    """Note the positions of rows that are about to be deleted."""
    models.DeletedPosition.objects.bulk_create(
        models.DeletedPosition(scope=scope, key=key, position=str(pk), stood_at=at)
        for key, pk, at in rows
    )


def fitting(rows: list[models.ThreadItem]) -> int:
    """Return how many of some rows, one at least, fit into one answer."""
    room = PAGE_SIZE
    for count, row in enumerate(rows):
        room -= sum(map(len, references.strings(row.payload)))
        if room < 0:
            return max(1, count)
    return len(rows)
