"""A filter by time, as ranges that an index answers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.admin import FieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import DateTimeField, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

NAMES = {
    "today": _("Today"),
    "7days": _("Past 7 days"),
    "30days": _("Past 30 days"),
    "month": _("This month"),
    "last_month": _("Last month"),
}
ONE_DAY = datetime.timedelta(days=1)


class PeriodFilter(FieldListFilter):
    """Rows of a period by its name, or from one day to another."""

    template = "admin/chatkit_images/includes/period_filter.html"
    parameters = ("period", "from", "to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("period")
        values = self.used_parameters
        self.chosen = _last(values.get("period"))
        self.days = [self._day(name) for name in ("from", "to")]

    def _day(self, name: str) -> datetime.date | None:
        text = _last(self.used_parameters.get(name))
        try:
            day = parse_date(text)
        except ValueError as error:
            raise IncorrectLookupParameters(str(error)) from error
        if text and day is None:
            raise IncorrectLookupParameters(f"{text!r} is no day.")
        return day

    def expected_parameters(self) -> list[str | None]:
        """Return the names of its parameters."""
        return [*self.parameters]

    def has_output(self) -> bool:
        """Return ``True``: there is always a period to choose."""
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the period."""
        first, last = _named(self.chosen) if self.chosen else self.days
        path = self.field_path
        try:
            if first:
                queryset = queryset.filter(**{f"{path}__gte": self._start_of(first)})
            if last:
                after = self._start_of(last + ONE_DAY)
                queryset = queryset.filter(**{f"{path}__lt": after})
        except (OverflowError, ValueError) as error:
            # Before the first year of a calendar, or behind the last one.
            raise IncorrectLookupParameters(str(error)) from error
        return queryset

    def _start_of(self, day: datetime.date) -> Any:
        if not isinstance(self.field, DateTimeField):
            return day
        start = datetime.datetime.combine(day, datetime.time())
        if not settings.USE_TZ:
            return start
        return timezone.make_aware(start).astimezone(datetime.UTC)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the named periods, and what the form for others needs."""
        others = [*changelist.get_filters_params().items()]
        others += [(k, v) for k, v in changelist.kept_params.items()]
        kept = [(k, v) for k, v in others if k not in self.parameters]
        yield {
            "selected": not (self.chosen or any(self.days)),
            "query_string": changelist.get_query_string(remove=[*self.parameters]),
            "display": _("Any time"),
            "days": [day.isoformat() if day else "" for day in self.days],
            "is_open": any(self.days) and not self.chosen,
            "kept": [(k, v) for k, values in kept for v in _all(values)],
        }
        for name, display in NAMES.items():
            yield {
                "selected": name == self.chosen,
                "query_string": changelist.get_query_string(
                    {"period": name}, [*self.parameters]
                ),
                "display": display,
            }


def _named(name: str) -> list[datetime.date]:
    """Return the first and the last day of a period."""
    today = timezone.localdate() if settings.USE_TZ else datetime.date.today()
    first = today.replace(day=1)
    before = first - ONE_DAY
    found = {
        "today": [today, today],
        "7days": [today - 6 * ONE_DAY, today],
        "30days": [today - 29 * ONE_DAY, today],
        "month": [first, today],
        "last_month": [before.replace(day=1), before],
    }
    if name not in found:
        raise IncorrectLookupParameters(f"{name!r} is no period.")
    return found[name]


def _all(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _last(values: Any) -> str:
    return str(_all(values)[-1]) if values else ""
