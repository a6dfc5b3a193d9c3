"""Pages of a thread's items, so that a transcript of any length is read in parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import models

# Items of one page: about as much as a person reads in one go.
LIMIT = 100
PLACES = ("before", "after", "around")


@dataclass(frozen=True)
class ItemPage:
    """Some items in a row, the oldest first.

    Attributes:
        items: The items.
        older: The query of the page before; empty if there is none.
        newer: The query of the page behind; empty if there is none.
    """

    items: list[models.ThreadItem]
    older: str = ""
    newer: str = ""


def item_page(
    thread: models.Thread, query: Mapping[str, str], limit: int | None = None
) -> ItemPage:
    """Return the page that a query asks for; without one, that of the newest items.

    Args:
        thread: The thread.
        query: ``before``, ``after`` or ``around`` with the key of an item.
        limit: How many items at most.
    """
    limit = limit or LIMIT
    name, item = _place(thread, query)
    if item is None:
        items, more = _next(thread, None, "desc", limit)
        return _page(items[::-1], older=more, newer=False)
    if name == "before":
        items, more = _next(thread, item, "desc", limit)
        return _page(items[::-1], older=more, newer=True)
    if name == "after":
        items, more = _next(thread, item, "asc", limit)
        return _page(items, older=True, newer=more)
    before, older = _next(thread, item, "desc", limit // 2)
    behind, newer = _next(thread, item, "asc", limit // 2)
    return _page([*before[::-1], item, *behind], older=older, newer=newer)


def _place(thread: models.Thread, query: Mapping[str, str]) -> tuple[str, Any]:
    for name in PLACES:
        key = query.get(name, "")
        # A larger number would be an error of the database.
        if key.isascii() and key.isdecimal() and len(key) < 19:
            return name, thread.items.filter(pk=int(key)).one()
    return "", None


def _next(
    thread: models.Thread, item: Any, order: str, limit: int
) -> tuple[list[models.ThreadItem], bool]:
    position = (item.created_at, item.pk) if item else None
    found = models.ThreadItem.objects.page(position, order, limit + 1, thread=thread.pk)
    return found[:limit], len(found) > limit


def _page(items: list[models.ThreadItem], *, older: bool, newer: bool) -> ItemPage:
    if not items:
        return ItemPage([])
    return ItemPage(
        items,
        f"before={items[0].pk}" if older else "",
        f"after={items[-1].pk}" if newer else "",
    )
