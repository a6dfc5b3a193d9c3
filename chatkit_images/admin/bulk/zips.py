"""A zip with many images, offered and sent."""

from __future__ import annotations

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
from .job import Job
from .work import log

Rows = QuerySet[models.GeneratedImage]


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


def answer_of(request: HttpRequest, rows: Rows, job: Job) -> HttpResponseBase:
    """Return the zip, and note in the admin's log who has it."""
    keys = _part(rows, job).keys
    taken = rows.filter(pk__in=keys).order_by().select_related(None)
    taken = taken.only("pk", "prompt", "call_id")
    log(request, list(taken), CHANGE, gettext("Downloaded in a zip."))
    name = f"images-{timezone.localdate().isoformat()}.zip"
    with working_for(context_class().for_owner("", None, request)):
        return zip_response(request, exchange.zip_of(keys), name)


def _part(rows: Rows, job: Job) -> exchange.Part:
    rows = rows.filter(created_at__lte=job.start)
    return exchange.part_of(rows, job.position, are_few=job.keys is not None)
