"""Numbers of rows that are counted up to a bound."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.formats import number_format

# Above that nobody needs to know the number.
MOST_COUNTED = 1000


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


def count(rows: QuerySet[Any]) -> Count:
    """Return the number of rows, up to the bound."""
    return bounded(rows[: MOST_COUNTED + 1].count())


def bounded(number: int, is_least: bool = False) -> Count:
    """Return a number of rows as it is shown: not above the bound."""
    most = MOST_COUNTED
    return Count(min(number, most), is_least=is_least or number > most)
