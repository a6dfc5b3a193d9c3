"""Images that somebody has chosen, deleted by many at a time."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from .. import models
from ..queries import holds, reviews
from ..transactions import atomic
from .slices import reserved_in

HELD, GONE = "held", "gone"


@atomic()
def delete_images(
    keys: Collection[uuid.UUID], by: Any, *, reason: str = ""
) -> dict[uuid.UUID, str]:
    """Delete images in one transaction, and their files when it is through.

    Threads keep the items of their images, in whose place people read that the image
    was removed. Whoever has many keys calls it for some hundreds at a time.

    Args:
        keys: Their keys.
        by: The account that decides, or a name.
        reason: Why, for staff.

    Returns:
        Why those stay that were not deleted: ``"held"``, or ``"gone"`` by now.
    """
    rows = models.GeneratedImage.objects.filter(pk__in=keys).order_by()
    # Whoever places a hold waits for that.
    holds.lock_threads(set(rows.values_list("thread", flat=True)))
    # In the order in which others lock them, who hide them at the same time.
    there = set(rows.locked().order_by("pk").values_list("pk", flat=True))
    held = holds.holding("thread", "thread__owner")
    kept = dict.fromkeys(rows.filter(held).values_list("pk", flat=True), HELD)
    kept |= dict.fromkeys(set(keys) - there, GONE)
    free = models.GeneratedImage.objects.filter(pk__in=there - kept.keys())
    noted = free.select_related("item").only("thread_id", "item__item_id")
    reviews.note(noted, reviews.Action.DELETE, by, reason)
    for blobs in reserved_in(free):
        models.DeletedFile.objects.schedule(blobs)
    free.delete()
    return kept
