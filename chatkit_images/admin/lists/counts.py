"""Numbers of rows that are counted up to a bound."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.formats import number_format

# Above that nobody needs to know the number.
MOST_COUNTED = 1000
# Items or images of a thread and images of a run that a list counts for each row.
MOST_POINTING = 100


class Count(int):
    """A number of rows, or the least that it is.

    Templates and texts show it as a text does.
    """

    is_least: bool

    def __new__(cls, number: int, is_least: bool = False) -> Count:
        """Return a number."""
        made = super().__new__(cls, number)
        made.is_least = is_least
        return made

    def __str__(self) -> str:
        text = str(number_format(int(self), use_l10n=True, force_grouping=True))
        return f"{text}+" if self.is_least else text


def plain(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Return the rows as such, if they are all: SQLite begins with what is joined."""
    everything = rows.model._default_manager.all()
    is_narrowed = bool(rows.query.where) or rows.db != everything.db
    return rows if is_narrowed else everything


def count(rows: models.QuerySet[Any]) -> Count:
    """Return the number of rows, up to the bound."""
    return bounded(rows[: MOST_COUNTED + 1].count())


def bounded(number: int, is_least: bool = False) -> Count:
    """Return a number of rows as it is shown: not above the bound."""
    most = MOST_COUNTED
    return Count(min(number, most), is_least=is_least or number > most)


def add_counts(
    rows: list[Any], model: type[models.Model], path: str, attribute: str
) -> None:
    """Give each row the number of a model's rows that point to it, up to a bound.

    Args:
        rows: The rows of a page.
        model: The other model.
        path: Its foreign key.
        attribute: What the number is called.
    """
    numbers: dict[Any, Count] = {}
    if rows:
        keys = [row.pk for row in rows]
        pointing = model._default_manager.order_by()
        its = pointing.filter(**{path: models.OuterRef("pk")}).values(path)
        listed = type(rows[0])._default_manager.filter(pk__in=keys).order_by()
        # Rows of others are not read to the last one.
        probes = listed.values_list("pk", models.Subquery(its[MOST_POINTING:][:1]))
        many = {key for key, found in probes if found is not None}
        numbers = {key: Count(MOST_POINTING, is_least=True) for key in many}
        few = pointing.filter(**{f"{path}__in": [k for k in keys if k not in many]})
        pairs = few.values_list(path).annotate(n=models.Count("pk"))
        numbers |= {key: Count(number) for key, number in pairs}
    for row in rows:
        setattr(row, attribute, numbers.get(row.pk, Count(0)))
