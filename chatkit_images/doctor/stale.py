"""Runs without a sign of life, and images that nobody works on any more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial

from .. import models, storage
from ..maintenance.left_rows import left_alone
from ..queries import endings
from ..runs import releases
from ..transactions import atomic
from .drift import Finding, Look, long_ago, said
from .files import storages_of

RUNS, IMAGES = "stale-runs", "stale-images"


def find_runs(look: Look) -> Iterator[Finding]:
    """Yield the runs whose process has died."""
    for page in look.pages(models.Run.objects.stale()):
        previews = models.PartialImage.objects.select_related("image")
        where: dict[uuid.UUID | None, set[str]]
        where = {run.pk: {storage.current_alias()} for run in page}
        for each in previews.filter(image__run__in=page):
            where[each.image.run_id].add(each.stored_in)
        for run in page:
            why, mend = _since(run), partial(_end_run, run)
            yield Finding(RUNS, said(run), why, mend=mend, storages=where[run.pk])


def find_images(look: Look) -> Iterator[Finding]:
    """Yield the unfinished images of runs that have ended, or of none."""
    rows = left_alone(long_ago()).prefetch_related("partials", "variants")
    for page in look.pages(rows):
        for image in page:
            why = "its run has ended" if image.run_id else "it has no run"
            mend, where = partial(_end_image, image), storages_of(image)
            yield Finding(IMAGES, said(image), why, mend=mend, storages=where)


def _since(run: models.Run) -> str:
    return f"no sign of life since {run.heartbeat_at.isoformat()}"


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
