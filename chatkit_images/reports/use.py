"""What a period has come to, read from sums: few rows, however long the ledger is."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Sum

from .. import models
from ..contexts import context_class
from ..models import ALL
from ..periods import now_here
from ..queries.sum_rows import NUMBERS

Rows = QuerySet[Any]
Kind = models.UseSummary.Period
WRITTEN = re.compile(r"(\d{4})(?:-(\d{2}))?")
# Persons and other lines of a table, and periods that can be chosen.
MOST_PERSONS, MOST_LINES, MOST_PERIODS = 50, 366, 60
# Rows that are in memory while a table is sent.
CHUNK = 1000


@dataclass(frozen=True)
class Period:
    """A month or a year.

    Attributes:
        kind: Which of both.
        start: Its first day.
    """

    kind: str
    start: datetime.date

    @classmethod
    def of(cls, text: str) -> Period:
        """Return the period that a text names, as ISO 8601 does, or this month."""
        today = now_here().date()
        match = WRITTEN.fullmatch(text)
        year, month = (match[1], match[2]) if match else (None, None)
        try:
            start = datetime.date(int(year or today.year), int(month or 1), 1)
        except ValueError:
            return cls(Kind.MONTH, today.replace(day=1))
        if year is None:
            return cls(Kind.MONTH, today.replace(day=1))
        return cls(Kind.MONTH if month else Kind.YEAR, start)

    @property
    def name(self) -> str:
        """How it is written."""
        # Not ``strftime()``, which writes years of less than four digits.
        return self.start.isoformat()[: 7 if self.kind == Kind.MONTH else 4]

    @property
    def parts(self) -> list[datetime.date]:
        """The first days of its days or months."""
        year, month = self.start.year, self.start.month
        if self.kind == Kind.YEAR:
            return [datetime.date(year, number, 1) for number in range(1, 13)]
        days = calendar.monthrange(year, month)[1]
        return [datetime.date(year, month, number) for number in range(1, days + 1)]


class UseReport:
    """The sums of a period: of each day or month, each model and each person.

    Whoever may see the rows of some owners only gets the sums of these. They are added
    up from the rows of owners, and do not say why images have failed.

    Args:
        rows: The sums that may be seen.
        period: The period.
        owner: Whose; empty for all.
        model: Of which model; ``None`` for all.
    """

    def __init__(
        self, rows: Rows, period: Period, owner: str = "", model: str | None = None
    ) -> None:
        self.rows, self.period = rows, period
        self.owner, self.model = owner, model
        self._name = ALL if model is None else model

    @cached_property
    def is_narrowed(self) -> bool:
        """Whether the sums of all owners may not be seen, and none is chosen."""
        if self.owner:
            return False
        whole = {"period": self.period.kind, "start": self.period.start, "owner": ALL}
        return not self.rows.filter(**whole)[:1] and bool(
            models.UseSummary.objects.filter(**whole)[:1]
        )

    @cached_property
    def total(self) -> models.UseSummary | None:
        """The sum of the period; ``None`` if there is nothing."""
        found = self._lines(self._rows().filter(model=self._name), "period")
        return found[0] if found else None

    @cached_property
    def parts(self) -> list[models.UseSummary]:
        """The sums of its days, or months, in their order; empty ones are left out."""
        kind = Kind.DAY if self.period.kind == Kind.MONTH else Kind.MONTH
        first, last = self.period.parts[0], self.period.parts[-1]
        rows = self.rows.filter(period=kind, start__range=(first, last))
        found = self._lines(rows.filter(model=self._name), "start")
        return sorted(found, key=lambda row: row.start)

    @cached_property
    def by_model(self) -> list[models.UseSummary]:
        """The sums of its models, the dearest first."""
        rows = self._rows().exclude(model=ALL)
        if self.model is not None:
            rows = rows.filter(model=self.model)
        found = self._lines(rows, "model")
        return sorted(found, key=lambda row: (-row.cost, -row.images, row.model))

    def persons(self) -> Rows:
        """Return the sums of its persons, the dearest first."""
        rows = self.rows.filter(period=self.period.kind, start=self.period.start)
        rows = rows.filter(model=self._name)
        rows = rows.filter(owner=self.owner) if self.owner else rows.exclude(owner=ALL)
        return rows.order_by("-cost", "-images", "-id")

    def persons_in_chunks(self) -> Iterator[Any]:
        """Yield all of its persons; few rows are in memory at a time."""
        # In the order of an index: each chunk reads its own rows only.
        rows = self.persons().order_by("owner")
        chunk = list(rows[:CHUNK])
        while chunk:
            yield from chunk
            chunk = list(rows.filter(owner__gt=chunk[-1].owner)[:CHUNK])

    def periods(self) -> list[str]:
        """Return the months and years that have sums, the newest first."""
        rows = models.UseSummary.objects.filter(owner=ALL, model=ALL)
        starts = {}
        for kind, start in (
            rows.filter(period__in=(Kind.MONTH, Kind.YEAR))
            .order_by("-start")
            .values_list("period", "start")[:MOST_PERIODS]
        ):
            found = Period(kind, start)
            starts[found.name] = found
        # A year after its months.
        return sorted(starts, key=lambda name: (name[:4], name[4:]), reverse=True)

    def _rows(self) -> Rows:
        return self.rows.filter(period=self.period.kind, start=self.period.start)

    def _lines(self, rows: Rows, group: str) -> list[models.UseSummary]:
        """Return one sum for each of a group: of all owners, or of one."""
        if not self.is_narrowed:
            return list(rows.filter(owner=self.owner or ALL)[:MOST_LINES])
        grouped: Any = rows.exclude(owner=ALL).order_by().values(group)
        totals = {f"sum_{name}": Sum(name) for name in NUMBERS}
        return [
            models.UseSummary(
                **{group: row[group]},
                **{name: row[f"sum_{name}"] for name in NUMBERS},
            )
            for row in grouped.annotate(**totals)[:MOST_LINES]
        ]


def users_of(owners: list[str]) -> dict[str, Any]:
    """Return the users whose own keys some keys are, read in one statement."""
    users = get_user_model()._default_manager
    keys = []
    for owner in owners:
        try:
            keys.append(users.model._meta.pk.to_python(owner.rpartition(":")[2]))
        except ValidationError:
            continue
    own_key, wanted = context_class().own_key, set(owners)
    found = {own_key(user): user for user in users.filter(pk__in=keys)}
    return {owner: user for owner, user in found.items() if owner in wanted}
