"""Costs, computed again when prices have changed."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings as django_settings
from django.db.models import QuerySet
from django.utils import timezone

from .. import models, prices
from ..prices import Prices
from ..queries import bills, costs, in_pages, sums, use

Progress = Callable[[str, int], None]


@dataclass
class Repriced:
    """What a repricing did, or would do.

    Attributes:
        currency: In what the costs are.
        runs: How many runs of the period were looked at.
        changed_runs: How many of them, or of their images, cost something else now.
        changed_images: How many images outside of runs do.
        kept: How many runs keep their cost, as images of theirs were deleted.
        before: What the changed runs and images have cost before, as far as known.
        after: What they cost now.
        dry_run: Whether nothing was written.
    """

    currency: str
    runs: int = 0
    changed_runs: int = 0
    changed_images: int = 0
    kept: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    dry_run: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; costs are texts."""
        costs_as_text = {"before": str(self.before), "after": str(self.after)}
        return vars(self) | costs_as_text


def reprice(
    since: datetime.date,
    until: datetime.date | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Repriced:
    """Compute the costs of a period by the prices of now, and correct the sums.

    Each row is read once, in pages, and each run is changed in transactions of its own.
    It may be interrupted, and runs beside a live site; what has its cost already is
    only read. Not for the event loop.

    Args:
        since: The first day on which runs and images have begun.
        until: The day after the last one. Default: there is none.
        dry_run: Count only.
        progress: Is called with a kind and how many of it were looked at so far.

    Raises:
        TypeError: If the setting ``PRICES`` is none; a check says so.
        ValueError: Likewise.
    """
    known = prices.configured()
    told = progress or (lambda kind, count: None)
    report = Repriced(known.currency, dry_run=dry_run)
    ended = models.Run.objects.exclude(status=models.Run.Status.RUNNING)
    for page in in_pages.pages_of(_within(ended, since, until)):
        _reprice_runs(list(page), known, report)
        told("runs", report.runs)
    alone = models.GeneratedImage.objects.filter(run=None)
    alone = alone.exclude(status=costs.Status.GENERATING)
    alone = alone.exclude(source=costs.Source.INLINE)
    for page in in_pages.pages_of(_within(alone, since, until)):
        _reprice_images(page, known, report)
        told("images", report.changed_images)
    if not dry_run:
        sums.fold()
    return report


def _within(
    rows: QuerySet[Any], since: datetime.date, until: datetime.date | None
) -> QuerySet[Any]:
    rows = rows.filter(created_at__gte=_midnight(since))
    return rows if until is None else rows.filter(created_at__lt=_midnight(until))


def _midnight(day: datetime.date) -> datetime.datetime:
    found = datetime.datetime.combine(day, datetime.time())
    if not django_settings.USE_TZ:
        return found
    here = timezone.make_aware(found, timezone.get_default_timezone())
    try:
        return here.astimezone(datetime.UTC)
    except OverflowError:
        # It is the first day of all, or the last one, and there it is another year.
        return found.replace(tzinfo=datetime.UTC)


def _reprice_runs(runs: list[models.Run], known: Prices, report: Repriced) -> None:
    keys = [run.pk for run in runs]
    images, counted = costs.images_of(keys), bills.counted(keys)
    for run in runs:
        report.runs += 1
        mine, before = images.get(run.pk, []), run.cost
        changed = costs.recompute(run, mine, known)
        if not changed:
            continue
        if len(mine) < counted.get(run.pk, 0):
            report.kept += 1
            continue
        report.changed_runs += 1
        report.before += before or 0
        report.after += run.cost or 0
        if not report.dry_run:
            use.settle(run.pk, ended=True)


def _reprice_images(
    images: QuerySet[models.GeneratedImage], known: Prices, report: Repriced
) -> None:
    rows = list(images.only(*costs.COLUMNS))
    before = {row.pk: row.cost for row in rows}
    changed = costs.recompute(None, rows, known)
    report.changed_images += len(changed)
    for row in changed:
        report.before += before[row.pk] or 0
        report.after += row.cost or 0
    if changed and not report.dry_run:
        costs.write(changed)
