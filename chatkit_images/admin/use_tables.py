"""The tables of use and cost, as lines of a page and of CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format, number_format
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from .. import models
from ..cleaning import clean_cell, clip
from ..failures import Reason
from ..queries.costs import currency
from ..reports.use import UseReport, users_of
from ..visitors import is_visitor
from .markup import EMPTY, money

# The head of a table as CSV, behind what its lines are called.
COLUMNS = (
    *("runs", "images", "failed", "failures", "bytes", "tokens", "input_tokens"),
    *("output_tokens", "cost", "currency", "unpriced"),
)


@dataclass(frozen=True)
class Line:
    """A sum, as people read it."""

    name: str | SafeString
    url: str
    runs: str
    images: str
    failed: str
    failures: list[str]
    bytes: str
    tokens: str
    divided: str
    cost: str
    unpriced: int

    @classmethod
    def of(cls, name: str, row: models.UseSummary, url: str = "") -> Line:
        """Return the line of a sum."""
        divided = ""
        if row.input_tokens or row.output_tokens:
            divided = gettext("%(read)s in, %(written)s out") % {
                "read": number(row.input_tokens),
                "written": number(row.output_tokens),
            }
        return cls(
            name=name,
            url=url,
            runs=number(row.runs),
            images=number(row.images),
            failed=number(row.failed),
            failures=[
                f"{reason_name(reason)}: {number(count)}"
                for reason, count in failures_of(row)
            ],
            bytes=filesizeformat(row.bytes) if row.bytes else EMPTY,
            tokens=number(row.tokens),
            divided=divided,
            # What has no price at all has cost nobody knows what.
            cost=sum_of_money(row.cost if row.cost or not row.unpriced else None),
            unpriced=row.unpriced,
        )


def sum_of_money(cost: Decimal | None) -> str:
    """Return a sum in few decimals, of which a small one needs more."""
    return money(cost, 2 if not cost or cost >= 1 else 4)


def number(value: int) -> str:
    """Return a count, with its thousands apart."""
    return number_format(value, force_grouping=True) if value else EMPTY


def failures_of(row: models.UseSummary) -> list[tuple[str, int]]:
    """Return why images have failed, the most frequent first."""
    found = row.failures if isinstance(row.failures, dict) else {}
    return sorted(found.items(), key=lambda each: (-each[1], each[0]))


def reason_name(reason: str) -> str:
    """Return what a reason is called."""
    try:
        return str(Reason(reason).value).replace("_", " ")
    except ValueError:
        return clip(reason, 40)


def name_of_model(model: str) -> str:
    """Return what a model is called."""
    return clip(model, 60) or gettext("(model not told)")


def lines_of(report: UseReport) -> list[Line]:
    """Return the lines of the days or months of a report."""
    by_day = report.period.kind == "month"
    shape = "MONTH_DAY_FORMAT" if by_day else "YEAR_MONTH_FORMAT"
    return [Line.of(date_format(row.start, shape), row) for row in report.parts]


def persons_of(rows: Sequence[models.UseSummary], link: str) -> list[Line]:
    """Return the lines of persons, each a link to the same page of that person.

    Args:
        rows: Their sums.
        link: The address of the page, with its other filters.
    """
    names = users_of([row.owner for row in rows])
    lines = []
    for row in rows:
        user = names.get(row.owner)
        name = person_name(row.owner, user)
        asked = {"owner": row.owner}
        if is_visitor(row.owner):
            asked = {"person": str(row.pk)}
        url = f"{link}&{urlencode(asked)}" if row.owner else ""
        lines.append(Line.of(name, row, url))
    return lines


def person_name(owner: str, user: Any) -> str:
    """Return what a person is called; of a key the beginning, as it may be a secret."""
    if not owner:
        return gettext("(deleted)")
    return str(user.get_username()) if user is not None else clip(owner, 16)


def csv_rows(report: UseReport, table: str) -> Iterator[list[Any]]:
    """Yield the rows of a table, with its head."""
    head = {"days": "start", "models": "model", "persons": "owner"}[table]
    yield [head, *COLUMNS]
    rows: Any = {
        "days": lambda: report.parts,
        "models": lambda: report.by_model,
        "persons": report.persons_in_chunks,
    }[table]()
    unit = currency()
    for row in rows:
        name = str(getattr(row, head))
        if table == "persons" and is_visitor(name):
            name = clip(name, 16)
        failures = "; ".join(f"{key}: {count}" for key, count in failures_of(row))
        yield [
            clean_cell(name),
            *(row.runs, row.images, row.failed, clean_cell(failures), row.bytes),
            *(row.tokens, row.input_tokens, row.output_tokens),
            *(row.cost, clean_cell(unit), row.unpriced),
        ]
