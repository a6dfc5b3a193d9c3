"""A zip with many images, offered and sent."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from ... import exchange, models
from ...contexts import context_class, working_for
from ...views.produced import zip_response
from ..markup import local_time
from .job import Job
from .work import log, of_job

Rows = QuerySet[models.GeneratedImage]
# Rows that are asked about at once.
PAGE = 200


def context_of(rows: Rows, job: Job) -> dict[str, Any]:
    """Return what the page says of the zip, and of the part behind it."""
    part = _part(rows, job)
    count = len(part.keys)
    following = None
    if part.last is not None:
        job_after = Job(**vars(job))
        job_after.go_to(*part.last)
        following = job_after.sign()
    return {
        "title": gettext("Download images"),
        "question": ngettext("%(n)d image", "%(n)d images", count) % {"n": count},
        "count": count,
        "bytes": part.bytes,
        "is_later": job.last is not None,
        "following": following,
    }


def answer_of(
    request: HttpRequest, rows: Rows, job: Job, page: Any
) -> HttpResponseBase:
    """Return the zip, and note in the admin's log who has it.

    Args:
        request: Whose it is.
        rows: Those that the person may see, and that match.
        job: Which of them.
        page: The admin of the images, which is asked of each whether it may be seen.
    """
    keys = _part(rows, job).keys
    refused: set[uuid.UUID] = set()
    for start in range(0, len(keys), PAGE):
        found = list(rows.filter(pk__in=keys[start : start + PAGE]).order_by())
        taken = [row for row in found if page.has_view_permission(request, row)]
        refused |= set(keys[start : start + PAGE]) - {row.pk for row in taken}
        log(request, taken, CHANGE, gettext("Downloaded in a zip."))
    name = f"images-{local_time(timezone.now()).date().isoformat()}.zip"
    with working_for(context_class().for_owner("", None, request)):
        return zip_response(request, exchange.zip_of(keys, refused), name)


def _part(rows: Rows, job: Job) -> exchange.Part:
    return exchange.part_of(
        of_job(rows, job), job.position, are_few=job.keys is not None
    )
