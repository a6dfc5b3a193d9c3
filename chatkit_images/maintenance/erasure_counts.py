"""What an erasure would delete, and what holds keep from it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from .. import models
from ..queries import holds
from . import sizes


def count(owner: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many rows an owner has that are not held, and their bytes, by kind."""
    free = ~holds.holding("thread", "thread__owner")
    images = ~holds.holding("image__thread", "image__thread__owner")
    files = ~holds.holding("attachment__thread", "attachment__owner")
    mine = Q(attachment__owner=owner) & files
    its = Q(image__thread__owner=owner) & images
    own = {"owner": owner}
    rows: dict[str, QuerySet[Any]] = {
        "threads": models.Thread.objects.filter(~holds.holding(), **own),
        "items": models.ThreadItem.objects.for_owner(owner).filter(free),
        "images": models.GeneratedImage.objects.for_owner(owner).filter(free),
        "partial_images": models.PartialImage.objects.filter(its),
        "variants": models.ImageVariant.objects.filter(its | mine),
        "refused_inputs": models.RefusedInput.objects.filter(its | mine),
        "image_sources": models.ImageSource.objects.filter(its),
        "attachments": models.Attachment.objects.filter(
            ~holds.holding("thread"), **own
        ),
        "runs": models.Run.objects.filter(~holds.holding("thread"), **own),
        "feedback": models.Feedback.objects.filter(
            Q(thread__owner=owner) | Q(owner=owner), free
        ),
        "positions": models.DeletedPosition.objects.filter(scope=owner),
        "counters": models.UseCounter.objects.for_owner(owner).exclude(kind=""),
    }
    counts = {name: each.order_by().count() for name, each in rows.items()}
    with_files = ("images", "partial_images", "variants", "attachments")
    return counts, {name: sizes.total(rows[name]) for name in with_files}
