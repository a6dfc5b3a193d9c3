"""The work on many images, in slices: each is a short transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from ... import models
from ...cleaning import clip
from ...queries import newest
from ...transactions import atomic
from .job import Job
from .operations import NOT_ALLOWED, Operation

Rows = QuerySet[models.GeneratedImage]
# Images of one transaction, and seconds after which a request takes no further slice.
SLICE, SECONDS = 100, 2.0


def read(rows: Rows, job: Job, limit: int) -> newest.Found:
    """Return the next images of a job, the newest first, and where to go on."""
    return newest.read(
        of_job(rows, job), job.position, limit, are_few=job.keys is not None
    )


def of_job(rows: Rows, job: Job) -> Rows:
    """Return the rows without those that were made after the page was shown.

    Chosen ones were there, whatever the clock says of the host that has made them.
    """
    return rows if job.keys is not None else rows.filter(created_at__lte=job.start)


def go_on(rows: Rows, job: Job, operation: Operation, page: Any, request: Any) -> bool:
    """Do some slices of a job; return whether none is left.

    Args:
        rows: Those that the person may see, and that match.
        job: Is told how far it came.
        operation: What to do.
        page: The admin of the images, which is asked of each whether it may be done.
        request: Whose it is.

    Raises:
        DatabaseError: If a slice fails. Nothing of it is done, and the job may go on.
    """
    until = time.monotonic() + SECONDS
    while True:
        found = read(rows, job, SLICE)
        if found.rows:
            _do(found.rows, job, operation, page, request)
        if found.after is None:
            return True
        job.go_to(*found.after)
        if time.monotonic() >= until:
            return False


def _do(
    found: Sequence[models.GeneratedImage],
    job: Job,
    operation: Operation,
    page: Any,
    request: HttpRequest,
) -> None:
    may = getattr(page, f"has_{operation.permission}_permission")
    kept = {row.pk: NOT_ALLOWED for row in found if not may(request, row)}
    with atomic():
        keys = [row.pk for row in found if row.pk not in kept]
        if keys:
            kept |= operation.act(keys, job, request.user)
        done = [row for row in found if row.pk not in kept]
        words = str(operation.message) % {"reason": job.reason}
        log(request, done, operation.flag, words.strip())
    # Counted once the transaction is through.
    job.done += len(done)
    for row in found:
        if row.pk in kept:
            job.keep(row.pk, clip(str(row), 60), kept[row.pk])


def log(
    request: HttpRequest, rows: Sequence[models.GeneratedImage], flag: int, words: str
) -> None:
    """Write what was done to images into Django's log."""
    if rows:
        LogEntry.objects.log_actions(str(request.user.pk), rows, flag, words)
