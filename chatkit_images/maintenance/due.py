"""What may be past its time, by the kinds of ``RETENTION``.

Each kind says which of its rows may go at all: never those of a running run, nor an
image from which another one was made.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from .. import models
from ..conf import settings
from ..failures import Reason
from ..periods import now_here
from ..queries import holds
from ..signal_handlers import left_behind

Status = models.GeneratedImage.Status
ENDED_WITHOUT = (Status.FAILED, Status.BLOCKED, Status.CANCELLED, Status.INTERRUPTED)


@dataclass(frozen=True)
class Kind:
    """One kind of rows that ``RETENTION`` names.

    Attributes:
        name: Its name there.
        rows: Returns those that may go, each with ``at``, when its time began.
        owner: The path from a row to the owner's key.
        thread: The path to the id of its thread; empty if it has none.
    """

    name: str
    rows: Callable[[], QuerySet[Any]]
    owner: str
    thread: str

    def candidates(self) -> QuerySet[Any]:
        """Return the rows that may go, each with ``its_owner`` and ``is_held``."""
        thread = self.thread or self.owner  # No thread has an owner's key.
        held = holds.holding(thread, self.owner)
        rows: QuerySet[Any] = self.rows().annotate(
            its_owner=F(self.owner), is_held=held
        )
        return rows


def _busy(thread: str) -> Exists:
    """Return the condition of rows whose thread has a running run."""
    return Exists(models.Run.objects.running().filter(thread=OuterRef(thread)))


def _settled(at: str) -> QuerySet[Any]:
    """Return the images that nothing works on, and from which no image was made."""
    uses = models.ImageSource.objects.filter(source_image=OuterRef("pk"))
    rows = models.GeneratedImage.objects.exclude(status=Status.GENERATING)
    rows = rows.filter(~Exists(uses), ~_busy("thread"))
    dated: QuerySet[Any] = rows.annotate(at=F(at))
    return dated


def _threads() -> QuerySet[Any]:
    return models.Thread.objects.filter(~_busy("pk")).annotate(at=F("updated_at"))


def _partial_images() -> QuerySet[Any]:
    rows = models.PartialImage.objects.exclude(image__status=Status.GENERATING)
    dated: QuerySet[Any] = rows.annotate(at=F("created_at"))
    return dated


def _failed_images() -> QuerySet[Any]:
    # The bytes of some are found later; those that could not be saved may be in the
    # spool of any host.
    found = timezone.now() - datetime.timedelta(seconds=settings.SWEEP_GRACE_SECONDS)
    saved_later = Q(reason=Reason.NOT_SAVED) | Q(error_code=Reason.NOT_SAVED)
    rows = _settled("finished_at").exclude(saved_later)
    return rows.filter(status__in=ENDED_WITHOUT, finished_at__lt=found)


def _superseded_images() -> QuerySet[Any]:
    return _settled("superseded_at").filter(superseded_at__isnull=False)


def _runs() -> QuerySet[Any]:
    rows = models.Run.objects.exclude(status=models.Run.Status.RUNNING)
    # By those the threads of a visitor who has logged in are moved still.
    rows = rows.exclude(pk__in=left_behind().values("pk"))
    return rows.annotate(at=Coalesce("finished_at", "created_at"))


def _use_entries() -> QuerySet[Any]:
    # A run that goes on is still to be settled.
    going = models.Run.objects.running().filter(pk=OuterRef("run_id"))
    # Counters of the running month, and of its days and hours, are sums of these.
    month = now_here().date().replace(day=1)
    rows = models.UseEntry.objects.filter(~Exists(going), day__lt=month)
    return rows.annotate(at=F("created_at"))


def _use_sums() -> QuerySet[Any]:
    # The sums of all people, and of nobody, are about no person.
    rows = models.UseSummary.objects.exclude(owner__in=("", models.ALL))
    return rows.annotate(at=F("updated_at"))


# Whole threads first, so that what is in them is counted once.
KINDS = (
    Kind("THREADS", _threads, "owner", "pk"),
    Kind("PARTIAL_IMAGES", _partial_images, "image__thread__owner", "image__thread"),
    Kind("FAILED_IMAGES", _failed_images, "thread__owner", "thread"),
    Kind("SUPERSEDED_IMAGES", _superseded_images, "thread__owner", "thread"),
    Kind("RUNS", _runs, "owner", "thread"),
    Kind("USE_ENTRIES", _use_entries, "owner", ""),
    Kind("USE_SUMS", _use_sums, "owner", ""),
)
