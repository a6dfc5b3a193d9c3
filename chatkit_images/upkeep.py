"""What a crash or a person leaves behind, found and settled."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator

from django.db.models import Q, QuerySet
from django.utils import timezone

from . import models, storage
from .conf import settings
from .models.files import file_columns
from .querysets import DeletedFileQuerySet
from .rows import endings
from .runs import claims

logger = logging.getLogger(__name__)
BATCH = 500


def sweep(*, dry_run: bool = False) -> dict[str, int]:
    """Settle what is left behind and return how much of each kind there was.

    Raises:
        Exception: The storage's own, at once if its listing fails, and after
            everything else if a deletion does; what was not settled is found
            again next time.
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
    # The files of the rows above: what failed there is tried again and counted here.
    storage.drain()
    noted = models.DeletedFile.objects.all()
    errors: list[Exception] = []
    counts["deleted files"] = noted.count() if dry_run else _settle(noted, errors)
    orphans = list(find_orphans())
    if not dry_run:
        for name in orphans:
            _delete(name, errors)
    counts["unknown files"] = len(orphans)
    if errors:
        raise errors[0]
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
    columns = file_columns()
    columns[models.DeletedFile] = ["name"]
    for model, fields in columns.items():
        for field in fields:
            rows = model._default_manager.filter(**{f"{field}__in": names})
            known.update(rows.values_list(field, flat=True))
    return (name for name in names if name not in known)


def _settle(noted: DeletedFileQuerySet, errors: list[Exception]) -> int:
    try:
        return noted.settle()
    except Exception as error:
        errors.append(error)
        return 0


def _delete(name: str, errors: list[Exception]) -> None:
    try:
        storage.delete(name)
    except Exception as error:
        logger.warning("%s cannot be deleted: %r", name, error)
        errors.append(error)


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
