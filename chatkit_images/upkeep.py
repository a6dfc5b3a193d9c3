"""What a crash or a person leaves behind, found and settled."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from django.db.models import Q, QuerySet
from django.utils import timezone

from . import models, storage
from .conf import settings
from .rows import endings
from .runs import claims

FILE_FIELDS = (
    (models.GeneratedImage, "file"),
    (models.GeneratedImage, "thumbnail"),
    (models.PartialImage, "file"),
    (models.Attachment, "file"),
    (models.Attachment, "thumbnail"),
    (models.DeletedFile, "name"),
)
BATCH = 500


def sweep(*, dry_run: bool = False) -> dict[str, int]:
    """Settle what is left behind and return how much of each kind there was.

    Raises:
        Exception: The storage's own, at the first listing or deletion that fails;
            what was not settled is found again next time.
    """
    old = timezone.now() - datetime.timedelta(seconds=settings.SWEEP_GRACE_SECONDS)
    runs = models.Run.objects.stale()
    unsent = models.Attachment.objects.filter(thread=None, created_at__lt=old)
    positions = models.DeletedPosition.objects.filter(created_at__lt=old)
    counts = {
        "dead runs": runs.count() if dry_run else claims.take_over(runs),
        "unfinished images": _images(dry_run),
        "unsent attachments": unsent.count() if dry_run else _delete_unsent(unsent),
        "old cursors": positions.count() if dry_run else positions.delete()[0],
    }
    noted = models.DeletedFile.objects.all()
    counts["deleted files"] = noted.count() if dry_run else noted.settle()
    orphans = list(find_orphans())
    if not dry_run:
        for name in orphans:
            storage.delete(name)
    counts["unknown files"] = len(orphans)
    return counts


def find_orphans() -> Iterator[str]:
    """Yield the files that are older than the grace period and that no row names."""
    batch: list[str] = []
    for name, age in storage.listing():
        if age > settings.SWEEP_GRACE_SECONDS:
            batch.append(name)
        if len(batch) == BATCH:
            yield from _unknown(batch)
            batch = []
    yield from _unknown(batch)


def _unknown(names: list[str]) -> Iterator[str]:
    known: set[str] = set()
    for model, field in FILE_FIELDS:
        rows = model._default_manager.filter(**{f"{field}__in": names})
        known.update(rows.values_list(field, flat=True))
    return (name for name in names if name not in known)


def _images(dry_run: bool) -> int:
    """End images that no running run is working on."""
    age = datetime.timedelta(seconds=settings.RUN_STALE_SECONDS)
    lonely = (
        models.GeneratedImage.objects.unfinished()
        .filter(created_at__lt=timezone.now() - age)
        .filter(Q(run=None) | ~Q(run__status=models.Run.Status.RUNNING))
    )
    return lonely.count() if dry_run else endings.interrupt(lonely)


def _delete_unsent(unsent: QuerySet[models.Attachment]) -> int:
    _, deleted = unsent.delete()
    return deleted.get("chatkit_images.Attachment", 0)
