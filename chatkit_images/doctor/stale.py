"""Runs without a sign of life, and images that nobody works on any more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db.models import Q

from .. import models
from ..queries import endings
from ..querysets import GeneratedImageQuerySet
from ..runs import releases
from .drift import Finding, Look, a_while_ago, long_ago, said

RUNS, IMAGES = "stale-runs", "stale-images"


def find_runs(look: Look) -> Iterator[Finding]:
    """Yield the runs whose process has died."""
    for page in look.pages(models.Run.objects.stale()):
        for run in page:
            why = f"no sign of life since {run.heartbeat_at.isoformat()}"
            yield Finding(RUNS, said(run), why, mend=partial(_end_run, run))


def find_images(look: Look) -> Iterator[Finding]:
    """Yield the unfinished images of runs that have ended, or of none."""
    for page in look.pages(left_alone()):
        for image in page:
            why = "its run has ended" if image.run_id else "it has no run"
            yield Finding(IMAGES, said(image), why, mend=partial(_end_image, image))


def left_alone() -> GeneratedImageQuerySet:
    """Return the unfinished images on which no running run works."""
    # An image without a run has no heartbeat, as in a project's own view.
    alone = Q(run=None, created_at__lt=long_ago())
    ended = Q(run__isnull=False, created_at__lt=a_while_ago())
    # The end of a run ends its images first, so one that ended lately is at it still.
    ended &= ~Q(run__status=models.Run.Status.RUNNING)
    return models.GeneratedImage.objects.unfinished().filter(alone | ended)


def _end_run(run: models.Run) -> bool:
    releases.take_over(models.Run.objects.filter(pk=run.pk))
    return not models.Run.objects.stale().filter(pk=run.pk).exists()


def _end_image(image: models.GeneratedImage) -> bool:
    endings.interrupt(left_alone().filter(pk=image.pk))
    return not models.GeneratedImage.objects.unfinished().filter(pk=image.pk).exists()
