"""What of the filters of a list an index answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from .orders import Order, OrderFilter
from .people import MOST_THREADS, OwnerFilter
from .periods import PeriodFilter


@dataclass
class Conditions:
    """Filters, parted into what an index answers and the rest.

    Attributes:
        walk: The rows of an index that stands in the order ``by``.
        by: That order.
        within: The column that the index begins with, and its value.
        has_rest: Whether there is more to fulfil.
        threads: The newest threads of a person, if the rows name none themselves.
        has_more_threads: Whether the person has more.
    """

    walk: QuerySet[Any]
    by: Order
    within: dict[str, Any] = field(default_factory=dict)
    has_rest: bool = False
    threads: list[str] | None = None
    has_more_threads: bool = False

    def take_filter(self, request: HttpRequest, spec: Any) -> None:
        """Take what a filter asks for."""
        if isinstance(spec, PeriodFilter) and spec.field_path == self.by.column:
            self.walk = spec.queryset(request, self.walk)
        elif isinstance(spec, OwnerFilter):
            if spec.owner:
                self.take_owner(spec.path, spec.owner)
            else:
                self.has_rest = True
        elif getattr(spec, "own_order", None):
            self.walk = spec.queryset(request, self.walk)
        elif not isinstance(spec, OrderFilter):
            found = spec.queryset(request, self.walk.model._default_manager.all())
            if found is not None and found.query.where:
                self.take_lookups(spec.used_parameters)

    def take_lookups(self, lookups: dict[str, Any]) -> None:
        """Take parameters of an address."""
        if len(lookups) != 1:
            self.has_rest = True
            return
        ((lookup, values),) = lookups.items()
        column = lookup.removesuffix("__exact").removesuffix("__id")
        values = values if isinstance(values, list) else [values]
        if len(values) == 1 and column in first_columns(self.walk.model, self.by):
            self._take_value(column, values[0])
        else:
            self.has_rest = True

    def take_owner(self, path: str, owner: str) -> None:
        """Take a person."""
        if path == "owner" and "owner" in first_columns(self.walk.model, self.by):
            self._take_value("owner", owner)
        elif path == "thread__owner":
            threads: Any = self.walk.model._meta.get_field("thread").related_model
            rows = threads._default_manager.filter(owner=owner)
            keys = rows.order_by("-created_at", "-pk").values_list("pk", flat=True)
            found = list(keys[: MOST_THREADS + 1])
            self.has_more_threads = len(found) > MOST_THREADS
            self.threads = found[:MOST_THREADS]
        else:
            self.has_rest = True

    def _take_value(self, column: str, value: Any) -> None:
        """Take a value for which an index has the rows; the second one is the rest."""
        if self.within:
            self.has_rest = True
            return
        self.within = {column: value}
        self.walk = self.walk.filter(**self.within)


def first_columns(model: type[Model], by: Order) -> set[str]:
    """Return the columns whose indexes go on with that of an order."""
    return {
        index.fields[0]
        for index in model._meta.indexes
        if [*index.fields[1:2]] == [by.column] and index.condition is None
    }
