"""Rows in pages by their keys, so that no statement or transaction grows with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Model, QuerySet

# Rows of a page.
PAGE = 500


def keys_of(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """Yield the keys of rows, a page of them at a time.

    No cursor is open between two pages, and rows that change meanwhile do not shift
    them.
    """
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    page = list(ordered[:PAGE])
    while page:
        yield page
        page = list(ordered.filter(pk__gt=page[-1])[:PAGE])


def pages_of(rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """Yield rows, a page of them at a time, as they are when they are read."""
    for keys in keys_of(rows):
        yield rows.filter(pk__in=keys)


def delete(rows: QuerySet[Any]) -> int:
    """Delete rows, each page in a transaction of its own; return how many they were.

    Rows that are none of them any more, as they changed meanwhile, stay.
    """
    label = _label(rows.model)
    return sum(page.delete()[1].get(label, 0) for page in pages_of(rows))


def _label(model: type[Model]) -> str:
    return model._meta.label
