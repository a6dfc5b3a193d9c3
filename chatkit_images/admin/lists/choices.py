"""Filters whose choices are known without reading the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

# Newest rows whose values a filter offers.
MOST_RECENT = 500
FOLDED = "admin/chatkit_images/includes/folded_filter.html"


class FixedFilter(admin.SimpleListFilter):
    """A filter with choices that stand in the code; folded until one is chosen.

    A subclass gives ``fixed``, or overrides ``condition``.
    """

    fixed: Any = ()
    template = FOLDED

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [*self.fixed]

    def condition(self, value: str) -> Any:
        """Return what rows with a value fulfil."""
        raise NotImplementedError

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """Return the rows with the chosen value."""
        value = self.value()
        if value is None:
            return queryset
        if value not in dict(self.lookup_choices):
            raise IncorrectLookupParameters(f"{value!r} is no choice.")
        return queryset.filter(self.condition(value))


class YesNoFilter(FixedFilter):
    """A filter by yes and no. A subclass gives the condition for yes."""

    fixed = (("yes", _("Yes")), ("no", _("No")))
    yes: Any

    def condition(self, value: str) -> Any:
        """Return the condition, or its contrary."""
        return self.yes if value == "yes" else ~self.yes


class RecentValuesFilter(admin.FieldListFilter):
    """The values of the newest rows; any other one can stand in the address."""

    template = "admin/chatkit_images/includes/folded_filter.html"

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: Any,
        model: Any,
        model_admin: Any,
        field_path: Any,
    ) -> None:
        self.parameter = f"{field_path}__exact"
        # Links that Django made for its own filter by values.
        if field_path in params:
            params[self.parameter] = params.pop(field_path)
        super().__init__(field, request, params, model, model_admin, field_path)
        chosen: Any = self.used_parameters.get(self.parameter)
        self.chosen = str(chosen[-1]) if chosen else ""
        self.values = {self.chosen} - {""}

    def expected_parameters(self) -> list[str | None]:
        """Return the name of its parameter."""
        return [self.parameter]

    def look_at(self, newest: QuerySet[Any]) -> None:
        """Take the values of the newest rows."""
        found = newest.values_list(self.field_path, flat=True)[:MOST_RECENT]
        self.values |= {str(value) for value in found if str(value or "").strip()}

    def has_output(self) -> bool:
        """Return ``True``: only the list can tell which values there are."""
        return True

    @property
    def divides(self) -> bool:
        """Whether there is more than one value, or one is chosen."""
        return len(self.values) > 1 or bool(self.chosen)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the values."""
        yield {
            "selected": not self.chosen,
            "query_string": changelist.get_query_string(remove=[self.parameter]),
            "display": _("All"),
        }
        for value in sorted(self.values):
            yield {
                "selected": value == self.chosen,
                "query_string": changelist.get_query_string({self.parameter: value}),
                "display": value,
            }
