"""A chart of a period: a bar for each of its days or months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext

from ..reports.use import Period
from .use_tables import number, sum_of_money

# In units of the picture, which is as wide as the page.
STEP, BAR, HEIGHT = 10, 8, 100


@dataclass(frozen=True)
class Bar:
    """One day or month.

    Attributes:
        x: Where it begins.
        y: Its upper end.
        height: How high it is.
        title: What it says.
    """

    x: int
    y: str
    height: str
    title: str


@dataclass(frozen=True)
class Chart:
    """Bars with what stands around them.

    Attributes:
        title: What it shows.
        text: The same in a sentence.
        bars: Its bars.
        width: Its width.
        most: The value of the highest bar.
        marks: What stands below, from left to right.
    """

    title: str
    text: str
    bars: list[Bar]
    width: int
    most: str
    marks: list[str]
    bar_width: int = BAR
    height: int = HEIGHT


def chart_of(period: Period, rows: Sequence[Any]) -> Chart:
    """Return the chart of the sums of a period: of money, or of images without any."""
    is_money = any(row.cost for row in rows)
    values = {row.start: row.cost if is_money else row.images for row in rows}
    dates = period.parts
    by_day = len(dates) > 12
    shape = "MONTH_DAY_FORMAT" if by_day else "YEAR_MONTH_FORMAT"
    most = max([Decimal(0), *map(Decimal, values.values())])

    def said(value: Decimal) -> str:
        return sum_of_money(value) if is_money else number(int(value))

    bars = []
    for place, day in enumerate(dates):
        value = max(Decimal(0), Decimal(values.get(day, 0)))
        height = float(value) / float(most) * HEIGHT if most else 0
        bars.append(
            Bar(
                x=place * STEP + (STEP - BAR) // 2,
                # Not localized: it is no text.
                y=f"{HEIGHT - height:.2f}",
                height=f"{height:.2f}",
                title=f"{date_format(day, shape)}: {said(value)}",
            )
        )
    title = gettext("Cost by day") if by_day else gettext("Cost by month")
    if not is_money:
        title = gettext("Images by day") if by_day else gettext("Images by month")
    text = gettext("The highest is %(most)s. The table below has all values.")
    marks = [date_format(day, shape) for day in (dates[0], dates[-1])]
    return Chart(
        title, text % {"most": said(most)}, bars, len(dates) * STEP, said(most), marks
    )
