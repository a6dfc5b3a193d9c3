"""Runs without a sign of life, and images that nobody works on any more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .. import models
from ..maintenance.left_rows import left_alone
from ..queries import endings
from ..runs import releases
from ..transactions import atomic
from .drift import Finding, Look, long_ago, said

RUNS, IMAGES = "stale-runs", "stale-images"


def find_runs(look: Look) -> Iterator[Finding]:
    """Yield the runs whose process has died."""
    for page in look.pages(models.Run.objects.stale()):
        for run in page:
            why = f"no sign of life since {run.heartbeat_at.isoformat()}"
            yield Finding(RUNS, said(run), why, mend=partial(_end_run, run))


def find_images(look: Look) -> Iterator[Finding]:
    """Yield the unfinished images of runs that have ended, or of none."""
    for page in look.pages(left_alone(long_ago())):
        for image in page:
            why = "its run has ended" if image.run_id else "it has no run"
            yield Finding(IMAGES, said(image), why, mend=partial(_end_image, image))


def _end_run(run: models.Run) -> bool:
    releases.take_over(models.Run.objects.filter(pk=run.pk))
    return not models.Run.objects.stale().filter(pk=run.pk).exists()


@atomic()
def _end_image(image: models.GeneratedImage) -> bool:
    """End an image and say so in its thread: a kill leaves both undone, or neither."""
    # The thread comes first, as for all who write into it.
    models.Thread.objects.locked().filter(pk=image.thread_id).one()
    endings.interrupt(left_alone(long_ago()).filter(pk=image.pk))
    return not models.GeneratedImage.objects.unfinished().filter(pk=image.pk).exists()
