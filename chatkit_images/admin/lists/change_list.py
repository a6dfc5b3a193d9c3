"""The list of the admin's pages, bounded."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import (
    ALL_VAR,
    IGNORED_PARAMS,
    ORDER_VAR,
    SEARCH_VAR,
    ChangeList,
)
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext

from ...cleaning import is_clean
from .choices import RecentValuesFilter
from .conditions import Conditions
from .estimates import are_few
from .orders import BadPosition, Order, OrderFilter, Position
from .pager import NEWER, OLDER, OLDEST, Pager
from .people import OwnerFilter
from .ranges import until
from .reading import MOST_READ, Reading
from .search import Search


class BoundedChangeList(ChangeList):
    """A list that reads a bounded number of rows, whatever the table holds.

    Django's own attributes are there for templates: ``result_list`` has the rows of the
    page, ``result_count`` is a number up to a bound.
    """

    model_admin: Any
    result_count: Any
    title: Any

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self._at: Position | None = None
        self._is_backwards = self._is_taken = False
        self._remaining: dict[str, Any] = {}
        self.has_newest_only = False
        super().__init__(request, *args, **kwargs)
        if not self.is_popup:
            # It is for looking around: nothing has to be selected.
            self.title = capfirst(self.opts.verbose_name_plural)

    def matching(self) -> QuerySet[Any]:
        """Return all rows that match the filters and the search, in the list's order.

        They may be all of the table. Take them in batches, each with those behind the
        last one of the batch before.
        """
        rows: QuerySet[Any] = self.queryset
        return rows

    @property
    def order(self) -> Order:
        """The order of the list: what is chosen, or that of what is looked for."""
        for spec in self.filter_specs:
            if isinstance(spec, OrderFilter) and spec.is_chosen:
                return Order.of(str(spec.value()))
        return self.own_order

    @property
    def own_order(self) -> Order:
        """The order of the list if no other is chosen."""
        for spec in self.filter_specs:
            if own := getattr(spec, "own_order", None):
                return Order.of(own)
        return Order.of(self.model_admin.list_order)

    @property
    def result_text(self) -> str:
        """How many rows there are, in words."""
        names = self.opts.verbose_name_plural
        if self.result_count == 1 and not self.result_count.is_least:
            names = self.opts.verbose_name
        return f"{self.result_count} {names}"

    @property
    def kept_params(self) -> dict[str, Any]:
        """What a form of a filter sends along beside the other filters."""
        kept = set(IGNORED_PARAMS) - {ALL_VAR, ORDER_VAR}
        return {k: v for k, v in self.filter_params.items() if k in kept}

    @property
    def person(self) -> str:
        """The name of the person whose rows are shown; empty without one."""
        found = (each for each in self.filter_specs if isinstance(each, OwnerFilter))
        return next((each.name for each in found), "")

    @property
    def without_person(self) -> str:
        """The address of the list of everybody."""
        query: str = self.get_query_string(remove=[OwnerFilter.parameter_name])
        return query

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters, and take the position out of the parameters before."""
        texts = {}
        for name in (OLDER, NEWER, ALL_VAR, ORDER_VAR):
            self.params.pop(name, None)
            if name in self.filter_params:
                texts[name] = str(self.filter_params.pop(name)[-1])
        # For the search such a text is no search.
        filters = (v for k, v in self.filter_params.items() if k != SEARCH_VAR)
        if not all(is_clean(each) for found in filters for each in found):
            raise IncorrectLookupParameters("No column holds such a text.")
        found = super().get_filters(request)
        self._remaining = found[2]
        self.filter_specs = found[0]
        if not self._is_taken:
            self._take_position(request, texts)
        return found

    def _take_position(self, request: HttpRequest, texts: dict[str, str]) -> None:
        self._is_taken = True
        self._is_backwards = NEWER in texts
        text = texts.get(NEWER, texts.get(OLDER))
        if text is None or (text == OLDEST and self._is_backwards):
            return
        try:
            self._at = self.order.read(self.model, text)
        except BadPosition:
            self._is_backwards = False
            told = gettext("This is no place in the list. It begins anew.")
            messages.warning(request, told)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Return the order of the list: no column of the table changes it."""
        return self.order.keys

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """Return nothing: no column can be sorted by."""
        return {}

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        reading = self.reading(request)
        self._offer_values(reading)
        limit, at, backwards = self.list_per_page, self._at, self._is_backwards
        page = reading.page(at, backwards, limit)
        if backwards and at is not None and not page.has_more and page.end is None:
            # What is newer does not fill a page: the newest one has it, too.
            at, backwards = None, False
            page = reading.page(None, False, limit)
        self.model_admin.prepare_rows(page.rows)
        self.pager = Pager(self, reading, page, at, backwards)
        self.result_list = page.rows
        # A page from the far end does not say where the newest rows end.
        is_first = at is None and not backwards
        self.result_count = reading.count(page if is_first else None)
        # Django's search form shows a number only where these two differ.
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = bool(page.rows)
        is_asked = bool(self.query or self.has_active_filters or self._remaining)
        self.is_empty = not (page.rows or is_asked or at)
        self.has_filters = bool(self.filter_specs) and not self.is_empty
        self.can_show_all = True
        self.multi_page = False
        self.paginator = Paginator(page.rows, limit)

    def reading(self, request: HttpRequest) -> Reading:
        """Return how the rows that match are read."""
        # In an order by another value the list has the first rows of its own order.
        found = Conditions(self.model._default_manager.all(), self.own_order)
        for spec in self.filter_specs:
            found.take_filter(request, spec)
        for lookup, values in self._remaining.items():
            found.take_lookups({lookup: values})
        is_narrowed = bool(self.root_queryset.query.where)
        search = Search.of(request, self.model_admin, self.query)
        is_few = search.is_few
        if search.owner:
            found.take_owner(f"{self.model_admin.person_path}owner", search.owner)
        elif search.condition is not None or search.is_for_words:
            found.has_rest = True
        rows = self.queryset
        if found.threads is not None:
            rows, is_few = rows.filter(thread__in=found.threads), True
            self.has_newest_only = found.has_more_threads
        is_all = not (found.has_rest or is_narrowed or found.within)
        return Reading(
            rows,
            found.walk,
            found.by,
            self.order,
            found.within,
            is_direct=not (found.has_rest or is_narrowed or is_few),
            is_few=is_few,
            places=self._places(request) if search.is_for_words else None,
            threads=found.threads if is_all else None,
        )

    def _places(self, request: HttpRequest) -> list[tuple[Any, Any]] | None:
        """Return the places of all rows, if words are found by an index in few rows."""
        if not self.model_admin.has_words:
            return None
        rows = self.model._default_manager.order_by()
        rows, _ = self.model_admin.get_search_results(request, rows, self.query)
        if not are_few(rows, self.query):
            return None
        # What a database expects is not what is there.
        values = self.queryset.order_by().values_list(self.order.column, "pk")
        found = list(values[: MOST_READ + 1])
        return found if len(found) <= MOST_READ else None

    def _offer_values(self, reading: Reading) -> None:
        """Let filters offer the values of the newest rows, if these differ."""
        offering = [s for s in self.filter_specs if isinstance(s, RecentValuesFilter)]
        if not offering:
            return
        by = Order.of(self.model_admin.list_order)
        walk = self.model._default_manager.all()
        newest = walk.order_by(*by.keys)
        if self.root_queryset.query.where:
            end = Reading(walk, walk, by, by).window(None, by)
            newest = until(self.root_queryset.order_by(*by.keys), by, end)
        for spec in offering:
            spec.look_at(newest)
        self.filter_specs = [
            s for s in self.filter_specs if s not in offering or s.divides
        ]
