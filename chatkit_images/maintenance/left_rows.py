"""Rows that a crash or a person leaves behind, kind by kind, for the sweep."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from .. import models
from ..conf import settings
from ..queries import (
    aside,
    attachments,
    endings,
    holds,
    in_pages,
    inputs,
    outdated_variants,
    run_ends,
    sums,
    untold,
    uploads,
    use,
)
from ..querysets import GeneratedImageQuerySet, OwnedQuerySet
from ..runs import releases, telling
from ..signal_handlers import left_behind, move_again
from .troubles import Troubles

Status = models.GeneratedImage.Status
Settle = Callable[[bool, Troubles], int]
# Behind that the spool is flushed.
BEFORE_THE_SPOOL = "unfinished images"


def kinds(others: Iterable[str] = ()) -> dict[str, Settle]:
    """Return what settles each kind, in their order.

    Each takes whether to count only, and what gets the exceptions that are about single
    rows or files, and returns how much there was.

    Args:
        others: Storages whose files are not this database's: rows with files there
            stay.
    """
    old = timezone.now() - datetime.timedelta(seconds=settings.SWEEP_GRACE_SECONDS)
    ours = not_in(others)
    # A hold keeps also what nobody has sent.
    unsent = models.Attachment.objects.filter(
        ~holds.holding("thread_id"), ours, thread=None, created_at__lt=old
    )
    positions = models.DeletedPosition.objects.filter(created_at__lt=old)
    return {
        "dead runs": _take_over,
        "rows of visitors who logged in": _move_again,
        "ends of runs told again": _tell_again,
        BEFORE_THE_SPOOL: partial(_end_images, old),
        "recovered images": partial(_recover, old),
        "unsent attachments": partial(_delete_unsent, unsent),
        "unfinished uploads": partial(_give_up, ours & Q(created_at__lt=old)),
        "forms without images": partial(
            _delete, outdated_variants.left_over().filter(ours)
        ),
        "unused forms": partial(_delete, outdated_variants.unused().filter(ours)),
        "files of hidden images": _move_aside,
        "old cursors": partial(_delete, positions),
        "old counters": partial(_delete, use.outdated()),
        "old ends of runs": partial(_delete, run_ends.outdated()),
        "entries in no sum": _fold,
        "old refusals": partial(_delete, inputs.outdated()),
    }


def not_in(aliases: Iterable[str]) -> Q:
    """Return the condition for rows whose files are in none of the storages."""
    left = list(aliases)
    if not left:
        return Q()
    if models.Installation.storage_of_before() in left:
        left.append("")
    return ~Q(storage_alias__in=left)


def _delete(rows: QuerySet[Any], dry_run: bool, errors: Troubles) -> int:
    return rows.count() if dry_run else in_pages.delete(rows)


def _delete_unsent(
    rows: OwnedQuerySet[models.Attachment], dry_run: bool, errors: Troubles
) -> int:
    return rows.count() if dry_run else attachments.delete_unsent(rows)


def _fold(dry_run: bool, errors: Troubles) -> int:
    return sums.waiting().count() if dry_run else sums.fold()


def _move_aside(dry_run: bool, errors: Troubles) -> int:
    rows = aside.waiting()
    return rows.count() if dry_run else aside.move(rows, errors.append)


def _take_over(dry_run: bool, errors: Troubles) -> int:
    runs = models.Run.objects.stale()
    return runs.count() if dry_run else releases.take_over(runs)


def _move_again(dry_run: bool, errors: Troubles) -> int:
    return left_behind().count() if dry_run else move_again()


def _tell_again(dry_run: bool, errors: Troubles) -> int:
    return run_ends.waiting().count() if dry_run else telling.tell_all()


def left_alone(old: datetime.datetime) -> GeneratedImageQuerySet:
    """Return the unfinished images that no running run is working on.

    Args:
        old: Images without a run are left alone if they were made before that.
    """
    # An image without a run has no heartbeat, as in a project's own view.
    alone = Q(run=None, created_at__lt=old)
    ended = Q(run__isnull=False, created_at__lt=untold.long_ago())
    return models.GeneratedImage.objects.unfinished().filter(
        alone | ended & ~Q(run__status=models.Run.Status.RUNNING)
    )


def _end_images(old: datetime.datetime, dry_run: bool, errors: Troubles) -> int:
    lonely = left_alone(old)
    if dry_run:
        return lonely.count()
    return sum(endings.interrupt(page) for page in _pages(lonely))


def _recover(since: datetime.datetime, dry_run: bool, errors: Troubles) -> int:
    """Complete images whose bytes are there, and show images that threads lack."""
    if dry_run:
        return 0
    # The run of a younger image may be about to show it.
    complete = models.GeneratedImage.objects.filter(finished_at__lt=untold.long_ago())
    late = untold.late_among(complete)
    found = sum(endings.recover_all(page, errors) for page in _pages(_lost(since)))
    ended = models.GeneratedImage.objects.filter(finished_at__gt=since)
    for page in _pages(untold.interrupted_among(ended)):
        endings.interrupt(page)
    return found + sum(endings.show_late(page) for page in _pages(late))


def _lost(since: datetime.datetime) -> GeneratedImageQuerySet:
    """Return the images that ended lately without bytes, which may be found by now."""
    return models.GeneratedImage.objects.filter(
        Q(status=Status.INTERRUPTED)
        | Q(error_code="not_saved")
        | Q(reason="not_saved"),
        finished_at__gt=since,
    )


def _pages(images: GeneratedImageQuerySet) -> Iterator[GeneratedImageQuerySet]:
    for keys in in_pages.keys_of(images):
        yield images.filter(pk__in=keys)


def _give_up(condition: Q, dry_run: bool, errors: Troubles) -> int:
    """Delete what clients have written past the app for messages that are sent.

    A server of a project's own may send a message before anybody looks at its files.
    """
    written = models.Attachment.objects.filter(condition, upload__gt="")
    if dry_run:
        return written.count()
    count = 0
    for keys in in_pages.keys_of(written):
        for key in keys:
            count += uploads.drop_upload(written.filter(pk=key))
    return count
