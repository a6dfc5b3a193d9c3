"""Ended images of which their threads do not tell: whoever ended them was cut off."""

from __future__ import annotations

import datetime

from django.db.models import F, Q
from django.utils import timezone

from .. import models
from ..conf import settings
from ..querysets import GeneratedImageQuerySet
from . import items

Status = models.GeneratedImage.Status


def late_among(images: GeneratedImageQuerySet) -> GeneratedImageQuerySet:
    """Return the complete images of which their threads do not tell."""
    told = Q(
        item__type="assistant_message", item__item_id__startswith=items.IMAGE_PREFIX
    )
    missed = Q(
        item=None,
        run__status=models.Run.Status.INTERRUPTED,
        run__finished_at__lt=F("finished_at"),
    )
    return images.filter(told | missed, status=Status.COMPLETED, superseded_at=None)


def interrupted_among(images: GeneratedImageQuerySet) -> GeneratedImageQuerySet:
    """Return the interrupted images of which their threads say nothing.

    Who ended them was killed before it told so. ``interrupt`` tells it.
    """
    # The run of an image may be about to tell it. What began after the run was taken
    # over has no place in the thread.
    of_run = Q(
        run__status=models.Run.Status.INTERRUPTED,
        run__finished_at__lt=long_ago(),
        created_at__lt=F("run__finished_at"),
    )
    return images.filter(
        Q(run=None) | of_run,
        status=Status.INTERRUPTED,
        item=None,
        superseded_at=None,
    )


def long_ago() -> datetime.datetime:
    """Return the time before which a run that ended has done all of its work."""
    return timezone.now() - datetime.timedelta(seconds=settings.RUN_STALE_SECONDS)
