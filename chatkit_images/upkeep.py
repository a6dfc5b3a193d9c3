"""What a crash or a person leaves behind, found and settled."""

from __future__ import annotations

import datetime
import logging
from itertools import chain

from django.db.models import Q, QuerySet
from django.utils import timezone

from . import models, storage
from .conf import settings
from .models.files import file_columns
from .queries import endings
from .querysets import DeletedFileQuerySet, GeneratedImageQuerySet
from .runs import claims
from .signal_handlers import hand_over_again, left_behind

logger = logging.getLogger(__name__)
Status = models.GeneratedImage.Status
BATCH = 500
# So many unknown files never make the sweep doubt that this is the right database.
UNKNOWN_AT_ONCE = 100


class SweepRefused(Exception):
    """So many files are unknown that the database is probably another one."""


def sweep(*, dry_run: bool = False, force: bool = False) -> dict[str, int]:
    """Settle what is left behind and return how much of each kind there was.

    Args:
        dry_run: Count only.
        force: Delete unknown files even if they are most of all files.

    Raises:
        SweepRefused: If most files are unknown; all else is settled by then.
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
        "unfinished hand-overs": left_behind().count()
        if dry_run
        else hand_over_again(),
        "unfinished images": _images(old, dry_run),
        "spooled files": _spooled(dry_run),
        "recovered images": 0 if dry_run else _recover(old),
        "unsent attachments": unsent.count() if dry_run else _delete_unsent(unsent),
        "old cursors": positions.count() if dry_run else positions.delete()[0],
    }
    # The files of the rows above: what failed there is tried again and counted here.
    storage.drain()
    noted = models.DeletedFile.objects.all()
    errors: list[Exception] = []
    counts["deleted files"] = noted.count() if dry_run else _settle(noted, errors)
    counts["half-written files"] = _half_written(dry_run)
    listed, orphans = find_orphans()
    if not dry_run:
        adopted = adopt(orphans)
        counts["recovered images"] += len(adopted)
        orphans = [name for name in orphans if name not in adopted]
        if not force and len(orphans) > max(UNKNOWN_AT_ONCE, listed / 2):
            raise SweepRefused(
                f"{len(orphans)} of {listed} files are unknown to this database."
            )
        for name in orphans:
            _delete(name, errors)
    counts["unknown files"] = len(orphans)
    if errors:
        raise errors[0]
    return counts


def flush_spool() -> list[str]:
    """Move spooled files to the storage and return their names.

    A file among them whose process died becomes its image's.

    Raises:
        Exception: The first of a dead run that could not be ended; its files stay, all
            others are moved by then.
    """
    try:
        # Before their files go: a takeover looks only at this host's disks.
        claims.take_over(models.Run.objects.all())
    finally:
        moved = storage.flush_spool(spooled())
        adopt(moved)
    return moved


def spooled() -> list[str]:
    """Return the names of the spooled files that no process is at work on."""
    names = list(storage.spool.released(aged=True))
    working = models.GeneratedImage.objects.unfinished().filter(
        key__in=[storage.key_of(name) for name in names],
        run__status=models.Run.Status.RUNNING,
    )
    keys = set(working.values_list("key", flat=True))
    return [name for name in names if storage.key_of(name) not in keys]


def adopt(names: list[str]) -> set[str]:
    """Give files to the images that have reserved their names; return those files."""
    rows = models.GeneratedImage.objects.filter(
        key__in=[storage.key_of(name) for name in names]
    )
    endings.recover_all(
        # A run may still be at work on the first, the others need none.
        rows.exclude(status__in=(Status.GENERATING, Status.COMPLETED, Status.BLOCKED))
    )
    reserved = set(rows.unfinished().values_list("key", flat=True))
    owned = set(rows.filter(file__in=names).values_list("file", flat=True))
    return {name for name in names if name in owned or storage.key_of(name) in reserved}


def find_orphans() -> tuple[int, list[str]]:
    """Count all files; name those that no row names and that are old enough."""
    listed, old = 0, []
    for name, age in storage.listing():
        listed += 1
        if age > settings.SWEEP_GRACE_SECONDS:
            old.append(name)
    found: list[str] = []
    for start in range(0, len(old), BATCH):
        found += _unknown(old[start : start + BATCH])
    return listed, found


def _unknown(names: list[str]) -> list[str]:
    known: set[str] = set()
    columns = file_columns()
    columns[models.DeletedFile] = ["name"]
    for model, fields in columns.items():
        for field in fields:
            rows = model._default_manager.filter(**{f"{field}__in": names})
            known.update(rows.values_list(field, flat=True))
    return [name for name in names if name not in known]


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


def _images(old: datetime.datetime, dry_run: bool) -> int:
    """End images that no running run is working on."""
    # Without a run nothing tells that one is alive, as in a project's own view.
    alone = Q(run=None, created_at__lt=old)
    ended = Q(run__isnull=False, created_at__lt=_stale())
    lonely = models.GeneratedImage.objects.unfinished().filter(
        alone | ended & ~Q(run__status=models.Run.Status.RUNNING)
    )
    return lonely.count() if dry_run else endings.interrupt(lonely)


def _stale() -> datetime.datetime:
    """Return the time before which a run's work must have left its mark."""
    return timezone.now() - datetime.timedelta(seconds=settings.RUN_STALE_SECONDS)


def _recover(since: datetime.datetime) -> int:
    """Complete images whose bytes are there, and show what their threads lack."""
    # What is younger may be about to be shown by its own run.
    complete = models.GeneratedImage.objects.filter(finished_at__lt=_stale())
    return endings.recover_all(_lost(since)) + endings.show_late(complete)


def _lost(since: datetime.datetime) -> GeneratedImageQuerySet:
    """Return the images that ended lately and may have bytes all the same."""
    return models.GeneratedImage.objects.filter(
        Q(status=Status.INTERRUPTED) | Q(error_code="not_saved"),
        finished_at__gt=since,
    )


def _spooled(dry_run: bool) -> int:
    # Dead runs are not ended in a dry run, so their files count.
    return len(list(storage.spool.released(aged=True)) if dry_run else flush_spool())


def _half_written(dry_run: bool) -> int:
    """Delete what killed writes left on this host's disks."""
    count = 0
    for path, age in chain(storage.unfinished(), storage.spool.unfinished()):
        if age > settings.SWEEP_GRACE_SECONDS:
            count += 1
            if not dry_run:
                path.unlink(missing_ok=True)
    return count


def _delete_unsent(unsent: QuerySet[models.Attachment]) -> int:
    _, deleted = unsent.delete()
    return deleted.get("chatkit_images.Attachment", 0)
