"""The sweep: it ends or deletes what a crash or a person leaves behind."""

from __future__ import annotations

import datetime
import logging
from itertools import chain

from django.db.models import Q, QuerySet
from django.utils import timezone

from .. import models, storage
from ..conf import settings
from ..queries import endings, inputs, outdated_variants, run_ends, uploads, use
from ..querysets import (
    DeletedFileQuerySet,
    GeneratedImageQuerySet,
    OwnedQuerySet,
)
from ..runs import releases, telling
from ..signal_handlers import left_behind, move_again
from . import orphans
from .flush import flush_spool

logger = logging.getLogger(__name__)
Status = models.GeneratedImage.Status


class SweepRefused(Exception):
    """So many files are unknown that the database is probably another one."""


def sweep(*, dry_run: bool = False, force: bool = False) -> dict[str, int]:
    """End or delete what is left behind, and return how much of each kind there was.

    Args:
        dry_run: Count only.
        force: Delete unknown files even if they are most of all files.

    Raises:
        SweepRefused: If most files are unknown. Everything else is done by then.
        Exception: The storage's own. If the listing fails, it is raised at once; if it
            is about one file, after everything else. The next sweep finds again what
            was left.
    """
    errors: list[Exception] = []
    old = timezone.now() - datetime.timedelta(seconds=settings.SWEEP_GRACE_SECONDS)
    runs = models.Run.objects.stale()
    unsent = models.Attachment.objects.filter(thread=None, created_at__lt=old)
    written = models.Attachment.objects.filter(upload__gt="", created_at__lt=old)
    positions = models.DeletedPosition.objects.filter(created_at__lt=old)
    refusals, counters = inputs.outdated(), use.outdated()
    ends = run_ends.outdated()
    forms, unused = outdated_variants.left_over(), outdated_variants.unused()
    counts = {
        "dead runs": runs.count() if dry_run else releases.take_over(runs),
        "rows of visitors who logged in": left_behind().count()
        if dry_run
        else move_again(),
        "ends of runs told again": run_ends.waiting().count()
        if dry_run
        else telling.tell_all(),
        "unfinished images": _end_images(old, dry_run),
        "spooled files": _flush(dry_run),
        "recovered images": 0 if dry_run else _recover(old, errors),
        "unsent attachments": unsent.count() if dry_run else _delete_unsent(unsent),
        "unfinished uploads": written.count() if dry_run else _give_up(written),
        "forms without images": _forms(forms, dry_run),
        "unused forms": _forms(unused, dry_run),
        "old cursors": positions.count() if dry_run else positions.delete()[0],
        "old counters": counters.count() if dry_run else counters.delete()[0],
        "old ends of runs": ends.count() if dry_run else ends.delete()[0],
        "old refusals": refusals.count() if dry_run else refusals.delete()[0],
    }
    # The files of the rows above are deleted by now. Files that could not be deleted
    # are tried again and counted here.
    storage.drain()
    noted = models.DeletedFile.objects.all()
    counts["deleted files"] = noted.count() if dry_run else _delete_noted(noted, errors)
    counts["half-written files"] = _delete_half_written(dry_run, errors)
    listed, unknown = orphans.find_orphans(errors)
    if not dry_run:
        adopted = orphans.adopt(unknown, errors)
        counts["recovered images"] += len(adopted)
        unknown = [name for name in unknown if name not in adopted]
        if not force and orphans.are_suspicious(unknown, listed):
            raise SweepRefused(
                f"{len(unknown)} of {listed} files are unknown to this database."
            )
        with storage.Patience() as patience:
            for name in unknown:
                _delete(patience, name, errors)
    counts["unknown files"] = len(unknown)
    if errors:
        logger.warning("The sweep left %s files for the next one", len(errors))
        raise errors[0]
    return counts


def _forms(rows: QuerySet[models.ImageVariant], dry_run: bool) -> int:
    return rows.count() if dry_run else outdated_variants.delete(rows)


def _delete_noted(noted: DeletedFileQuerySet, errors: list[Exception]) -> int:
    """Delete the files whose rows are deleted, and return how many."""
    try:
        return noted.delete_files()
    except Exception as error:
        errors.append(error)
        return 0


def _delete(patience: storage.Patience, name: str, errors: list[Exception]) -> None:
    """Delete a file, or note why that fails."""
    try:
        patience.call(storage.delete, name)
    except Exception as error:
        logger.warning("%s cannot be deleted: %r", name, error)
        errors.append(error)


def _end_images(old: datetime.datetime, dry_run: bool) -> int:
    """End images that no running run is working on."""
    # An image without a run has no heartbeat, as in a project's own view.
    alone = Q(run=None, created_at__lt=old)
    ended = Q(run__isnull=False, created_at__lt=_stale())
    lonely = models.GeneratedImage.objects.unfinished().filter(
        alone | ended & ~Q(run__status=models.Run.Status.RUNNING)
    )
    return lonely.count() if dry_run else endings.interrupt(lonely)


def _stale() -> datetime.datetime:
    """Return the time before which a run that ended has done all of its work."""
    return timezone.now() - datetime.timedelta(seconds=settings.RUN_STALE_SECONDS)


def _recover(since: datetime.datetime, errors: list[Exception]) -> int:
    """Complete images whose bytes are there, and show images that threads lack."""
    # The run of a younger image may be about to show it.
    complete = models.GeneratedImage.objects.filter(finished_at__lt=_stale())
    return endings.recover_all(_lost(since), errors) + endings.show_late(complete)


def _lost(since: datetime.datetime) -> GeneratedImageQuerySet:
    """Return the images that ended lately without bytes, which may be found by now."""
    return models.GeneratedImage.objects.filter(
        Q(status=Status.INTERRUPTED)
        | Q(error_code="not_saved")
        | Q(reason="not_saved"),
        finished_at__gt=since,
    )


def _flush(dry_run: bool) -> int:
    """Flush the spool, and return how many files that moved or would move."""
    # A dry run does not end dead runs, so it counts their files too.
    return len(list(storage.spool.handed_over(aged=True)) if dry_run else flush_spool())


def _delete_half_written(dry_run: bool, errors: list[Exception]) -> int:
    """Delete what killed writes left on this host's disks."""
    count = 0
    for path, age in chain(storage.unfinished(), storage.spool.unfinished()):
        if age > settings.SWEEP_GRACE_SECONDS:
            count += 1
            try:
                if not dry_run:
                    path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("%s cannot be deleted: %r", path, error)
                errors.append(error)
    return count


def _give_up(written: OwnedQuerySet[models.Attachment]) -> int:
    """Delete what clients have written past the app for messages that are sent.

    A server of a project's own may send a message before anybody looks at its files.
    """
    count = 0
    for key, name in written.values_list("pk", "upload"):
        rows = models.Attachment.objects.filter(pk=key, upload=name)
        count += uploads.drop_upload(rows)
    return count


def _delete_unsent(unsent: QuerySet[models.Attachment]) -> int:
    _, deleted = unsent.delete()
    return deleted.get("chatkit_images.Attachment", 0)
