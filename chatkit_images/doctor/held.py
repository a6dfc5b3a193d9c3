"""Legal holds: what is held is found, and never deleted by a mend."""

from __future__ import annotations

from .. import models
from ..queries import holds


def is_held(row: models.Attachment | models.GeneratedImage) -> bool:
    """Whether a hold keeps a row, by its owner or by its thread."""
    if isinstance(row, models.Attachment):
        return holds.of(row.owner, row.thread_id)
    owners = models.Thread.objects.filter(pk=row.thread_id)
    owner = owners.values_list("owner", flat=True).get()
    return holds.of(owner, row.thread_id)
