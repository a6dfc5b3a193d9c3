"""The ways from one page of a list to others, and what the page says of its bounds."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext

from .orders import Position
from .people import MOST_THREADS
from .reading import MOST_READ, Page, Reading

OLDER, NEWER = "older", "newer"
# In the place of a position: the far end.
OLDEST = "oldest"


class Pager:
    """What stands below a page of a list.

    Attributes:
        newest: The address of the first page, if this is another one.
        newer: The address of the page before.
        older: The address of the next page.
        oldest: The address of the last page.
        is_by_time: Whether the list begins with what is newest.
        looks_further: Whether the next page looks at further rows, and may be empty.
    """

    def __init__(
        self,
        changelist: Any,
        reading: Reading,
        page: Page,
        at: Position | None,
        backwards: bool,
    ) -> None:
        self._list, self._reading, self._page = changelist, reading, page
        order, rows = reading.order, page.rows
        self._follows = order == reading.by
        self.is_by_time = self._follows and order.descending
        far = None
        if page.end is not None and not page.has_more and self._follows:
            far = order.write_position(Position(page.end))
        first = order.write(rows[0]) if rows else None
        last = order.write(rows[-1]) if rows else None
        here = None if at is None else order.write_position(at)
        if backwards:
            before = first if page.has_more else far
            behind = None if at is None else last or here
        else:
            before = None if at is None else first or here
            behind = last if page.has_more else far
        self.looks_further = far is not None
        self.newer = self._link(NEWER, before)
        self.older = self._link(OLDER, behind)
        self.newest = changelist.get_query_string() if self.newer else ""
        has_end = self._follows and bool(self.older)
        self.oldest = self._link(NEWER, OLDEST) if has_end else ""

    def _link(self, name: str, position: str | None) -> str:
        if position is None:
            return ""
        link: str = self._list.get_query_string({name: position})
        return link

    @property
    def notes(self) -> list[str]:
        """What the page has not looked at, in sentences."""
        found = []
        names = {
            "rows": number_format(MOST_READ, force_grouping=True),
            "name": self._list.opts.verbose_name_plural,
            "threads": MOST_THREADS,
        }
        if self._list.has_newest_only:
            text = gettext("These are of the newest %(threads)d threads of the person.")
            found.append(text % names)
        if not self._follows and self._page.end is not None:
            text = gettext(
                "Only the newest %(rows)s %(name)s of the period are in this order. "
                "For older ones choose a period."
            )
            if not self._list.own_order.descending:
                text = gettext("Only the first %(rows)s %(name)s are in this order.")
            found.append(text % names)
        elif self.looks_further:
            text = gettext(
                "Looked through %(rows)s %(name)s, as far as %(end)s, and there are "
                "more. Go on from there, or choose a period."
            )
            found.append(text % {**names, "end": _shown(self._page.end)})
        return found


def _shown(value: Any) -> str:
    if hasattr(value, "hour"):
        here = timezone.localtime(value) if timezone.is_aware(value) else value
        return str(date_format(here, "SHORT_DATETIME_FORMAT"))
    if hasattr(value, "year"):
        return str(date_format(value, "SHORT_DATE_FORMAT"))
    return str(value)
