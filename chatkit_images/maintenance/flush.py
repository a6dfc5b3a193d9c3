"""The flush of the spool: its files go to the storage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from .. import models, storage
from ..runs import releases
from .orphans import adopt

BATCH = 500


def flush_spool(errors: list[Exception] | None = None) -> list[str]:
    """Move spooled files to the storage and return their names.

    If a file belongs to an image whose process died, the image becomes complete.

    Args:
        errors: Gets what the storage or the spool raises about single files.

    Raises:
        Exception: The first failure to end a dead run, after all other files were
            moved. The files of that run stay in the spool.
    """
    return [name for batch in flushing(errors) for name in batch]


def flushing(errors: list[Exception] | None = None) -> Iterator[list[str]]:
    """Do as ``flush_spool`` does, and yield the names of some files after the other."""
    failure: Exception | None = None
    try:
        # This comes first, because a takeover looks for files on this host only.
        releases.take_over(models.Run.objects.all())
    except Exception as error:
        failure = error
    moving = storage.moving(waiting(), errors)
    while batch := list(islice(moving, BATCH)):
        adopt(batch, errors)
        yield batch
    if failure is not None:
        raise failure


def spooled() -> list[str]:
    """Return the names of the spooled files that no process is working on."""
    return list(waiting())


def waiting() -> Iterator[str]:
    """Yield the names of the spooled files that no process is working on."""
    names = storage.spool.handed_over(aged=True)
    while batch := list(islice(names, BATCH)):
        working = models.GeneratedImage.objects.unfinished().filter(
            key__in=[storage.key_of(name) for name in batch],
            run__status=models.Run.Status.RUNNING,
        )
        keys = set(working.values_list("key", flat=True))
        yield from (name for name in batch if storage.key_of(name) not in keys)
