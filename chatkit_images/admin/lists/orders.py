"""In which order a list stands, and positions in it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import ValidationError
from django.db.models import Field, Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Longer than any value that a list is ordered by, with a key.
LONGEST = 400
# Stands between the two: no number and no time has it.
BETWEEN = "~"


class BadPosition(ValueError):
    """A position that no row can have."""


@dataclass(frozen=True)
class Position:
    """Where a page begins: behind a row, or behind all rows of a value.

    Attributes:
        value: The value of the column that the list is ordered by.
        pk: The key of the row; ``None`` behind all rows of the value.
    """

    value: Any
    pk: Any = None


@dataclass(frozen=True)
class Order:
    """A column and a direction; rows of the same value stand by their keys.

    Attributes:
        column: The column; ``pk`` for the key alone.
        descending: Whether the greatest is first.
    """

    column: str
    descending: bool = True

    @classmethod
    def of(cls, text: str) -> Order:
        """Return the order that Django writes as ``-created_at``."""
        return cls(text.lstrip("-"), text.startswith("-"))

    @property
    def keys(self) -> list[str]:
        """The order as Django takes it."""
        sign = "-" if self.descending else ""
        return list(dict.fromkeys([f"{sign}{self.column}", f"{sign}pk"]))

    def write(self, row: Any) -> str:
        """Return the position of a row as text."""
        return self.write_position(Position(getattr(row, self.column), row.pk))

    def write_position(self, position: Position) -> str:
        """Return a position as text."""
        value = position.value
        if isinstance(value, datetime.date):
            value = value.isoformat()
        key = "" if position.pk is None else position.pk
        return f"{value}{BETWEEN}{key}"

    def read(self, model: type[Model], text: str) -> Position:
        """Return the position that a text means.

        Raises:
            BadPosition: If it means none.
        """
        before, between, key = text.partition(BETWEEN)
        if not between or len(text) > LONGEST or "\0" in text:
            raise BadPosition(text[:LONGEST])
        pk: Any = model._meta.pk
        field: Any = pk
        if self.column != "pk":
            field = model._meta.get_field(self.column)
        try:
            return Position(_read(field, before), _read(pk, key) if key else None)
        except (ValidationError, ArithmeticError, ValueError) as error:
            raise BadPosition(text) from error


def _read(field: Field[Any, Any], text: str) -> Any:
    value = field.to_python(text)
    if value is None:
        raise BadPosition(text)
    field.run_validators(value)
    if isinstance(value, datetime.datetime):
        if timezone.is_aware(value) != settings.USE_TZ:
            raise BadPosition(text)
        if settings.USE_TZ:
            # Databases get it in another zone, which a time at the very end has not.
            value = value.astimezone(datetime.UTC)
    return value


class OrderFilter(SimpleListFilter):
    """Offers other orders than by time. They hold for the newest rows of the period."""

    title = _("order")
    parameter_name = "order"
    template = "admin/chatkit_images/includes/folded_filter.html"

    @property
    def is_chosen(self) -> bool:
        """Whether the list has another order than its own."""
        return self.value() in dict(self.lookup_choices)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Return the orders that the list offers."""
        return list(getattr(model_admin, "other_orders", {}).items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the rows that have a value."""
        if not self.is_chosen:
            return queryset
        column = str(self.value()).lstrip("-")
        return queryset.filter(**{f"{column}__isnull": False})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the list's own order first."""
        own, *others = super().choices(changelist)
        own["selected"] = not self.is_chosen
        yield own | {"display": _("Newest first")}
        yield from others
