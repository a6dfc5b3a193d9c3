"""The flush of the spool: its files go to the storage."""

from __future__ import annotations

from .. import models, storage
from ..runs import releases
from .orphans import adopt


def flush_spool() -> list[str]:
    """Move spooled files to the storage and return their names.

    If a file belongs to an image whose process died, the image becomes complete.

    Raises:
        Exception: The first failure to end a dead run, after all other files were
            moved. The files of that run stay in the spool.
    """
    try:
        # This comes first, because a takeover looks for files on this host only.
        releases.take_over(models.Run.objects.all())
    finally:
        moved = storage.flush_spool(spooled())
        adopt(moved)
    return moved


def spooled() -> list[str]:
    """Return the names of the spooled files that no process is working on."""
    names = list(storage.spool.handed_over(aged=True))
    working = models.GeneratedImage.objects.unfinished().filter(
        key__in=[storage.key_of(name) for name in names],
        run__status=models.Run.Status.RUNNING,
    )
    keys = set(working.values_list("key", flat=True))
    return [name for name in names if storage.key_of(name) not in keys]
