"""The rows of one owner, deleted in slices.

Each transaction is short, and asks again whether a thread is held, behind the lock of
the thread. Others write meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from .. import models
from ..queries import counters, holds, use
from ..transactions import atomic
from . import sizes
from .receipts import Receipt
from .slices import SLICE, Delete, Slices, Told

# Threads that are deleted together.
THREADS = 100


class Erasure(Slices):
    """Deletes the rows of an owner, and counts them in a receipt.

    Args:
        owner: The isolation key.
        receipt: Counts what is deleted.
        told: Is called with a kind and how many of its rows are deleted so far.
    """

    def __init__(self, owner: str, receipt: Receipt, told: Told) -> None:
        super().__init__(receipt, told)
        self.owner = owner

    def rows(self) -> bool:
        """Delete what there is, and return whether there was anything."""
        before = sum(self.receipt.rows.values())
        for keys in self._threads():
            self.delete_threads(keys)
        owned = {"owner": self.owner}
        files = models.Attachment.objects.filter(**owned)
        self._slices(self._free(files, "thread"), self.delete_files)
        runs = models.Run.objects.filter(**owned).exclude(status="running")
        self._slices(self._free(runs, "thread"), self.delete_runs)
        thumbs = models.Feedback.objects.filter(**owned)
        held = holds.holding("thread", "thread__owner")
        self._slices(thumbs.filter(~held), self.plainly(models.Feedback))
        positions = models.DeletedPosition.objects.filter(scope=self.owner)
        self._slices(positions, self.plainly(models.DeletedPosition))
        return sum(self.receipt.rows.values()) > before

    def use(self) -> int:
        """Make what the owner has used nobody's, and return how many entries."""
        entries = models.UseEntry.objects.for_owner(self.owner).order_by("pk")
        count = 0
        while keys := list(entries.values_list("pk", flat=True)[:SLICE]):
            rows = models.UseEntry.objects.filter(pk__in=keys)
            count += rows.update(owner="", address="")
            self.told("use_entries", count)
        with atomic():
            counters.lock([self.owner])
            kinds = models.UseCounter.objects.for_owner(self.owner).exclude(kind="")
            found = kinds.count()
            use.forget(self.owner)
        self.receipt.add({"counters": found})
        return count

    def leave_teams(self, user: Any) -> int:
        """Take a user off the rows of others, such as teams; return how many."""
        count = 0
        for model in (models.Thread, models.Attachment, models.Run, models.Feedback):
            thread = "pk" if model is models.Thread else "thread"
            owner = "thread__owner" if model is models.Feedback else "owner"
            rows: QuerySet[Any] = model._default_manager.filter(user=user)
            rows = rows.exclude(owner=self.owner)
            rows = rows.filter(~holds.holding(thread, owner))
            values: dict[str, Any] = {"user": None}
            if model is models.Run:
                rows = rows.exclude(status="running")
                values |= {"context": {}, "safety_identifier": ""}
            while keys := list(rows.order_by().values_list("pk", flat=True)[:SLICE]):
                count += model._default_manager.filter(pk__in=keys).update(**values)
        return count

    def _free(self, rows: QuerySet[Any], thread: str) -> QuerySet[Any]:
        """Return the rows that are not held."""
        return rows.filter(~holds.holding(thread))

    def _threads(self) -> Iterator[list[str]]:
        """Yield the threads that are not held, some at a time."""
        rows = models.Thread.objects.for_owner(self.owner).order_by("created_at", "pk")
        rows = rows.filter(~holds.holding())
        page = list(rows.values_list("pk", "created_at")[:THREADS])
        while page:
            yield [key for key, _at in page]
            # Those before are gone.
            rest = rows.filter(created_at__gte=page[-1][1])
            page = list(rest.values_list("pk", "created_at")[:THREADS])

    def _slices(self, rows: QuerySet[Any], delete: Delete) -> None:
        """Delete rows outside of the owner's threads."""
        keys: list[Any] = [None]
        while keys:
            with atomic():
                keys = list(rows.order_by().values_list("pk", flat=True)[:SLICE])
                if keys:
                    delete(keys)


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
