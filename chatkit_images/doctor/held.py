"""Legal holds: what is held is found, and neither deleted nor changed by a mend."""

from __future__ import annotations

from typing import Any

from .. import models
from ..queries import holds
from .files import Row


def is_held(row: Row | models.ThreadItem) -> bool:
    """Whether a hold keeps a row, by its owner or by its thread, which is locked.

    Ask in the transaction that mends, before anything else is locked there: all who
    write into a thread, or hold it, lock it first.
    """
    whole: Any = row
    if isinstance(row, models.PartialImage):
        whole = row.image
    elif isinstance(row, models.ImageVariant):
        whole = row.image or row.attachment
    if whole is None:
        return False  # What it was made of is gone.
    thread = models.Thread.objects.locked().filter(pk=whole.thread_id).one()
    if isinstance(whole, models.Attachment):
        return holds.of(whole.owner, whole.thread_id)
    return thread is not None and holds.of(thread.owner, thread.pk)
