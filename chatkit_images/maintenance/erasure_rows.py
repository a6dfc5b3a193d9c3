"""The rows of one owner, deleted in slices.

Each transaction is short, and asks again whether a thread is held, behind the lock of
the thread. Others write meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from .. import imaging, models, storage
from ..conf import settings
from ..queries import counters, holds, use
from ..transactions import alias, atomic
from . import sizes
from .receipts import Receipt

# Threads that are deleted together, and rows of one kind in one transaction.
THREADS, SLICE = 100, 100
NAMES = {
    "Thread": "threads",
    "ThreadItem": "items",
    "GeneratedImage": "images",
    "PartialImage": "partial_images",
    "ImageVariant": "variants",
    "ImageSource": "image_sources",
    "RefusedInput": "refused_inputs",
    "Attachment": "attachments",
    "Feedback": "feedback",
    "Run": "runs",
    "RunEnd": "run_ends",
    "DeletedPosition": "positions",
    "UseCounter": "counters",
    "OwnerBlock": "blocks",
}
Told = Callable[[str, int], None]
Delete = Callable[[list[Any]], None]


class Erasure:
    """Deletes the rows of an owner, and counts them in a receipt.

    Args:
        owner: The isolation key.
        receipt: Counts what is deleted.
        told: Is called with a kind and how many of its rows are deleted so far.
    """

    def __init__(self, owner: str, receipt: Receipt, told: Told) -> None:
        self.owner = owner
        self.receipt = receipt
        self._told = told
        # Whether Redis has dropped the logs of all runs so far.
        self.logs_dropped = True

    def rows(self) -> bool:
        """Delete what there is, and return whether there was anything."""
        before = sum(self.receipt.rows.values())
        for keys in self._threads():
            self._delete_threads(keys)
        owned = {"owner": self.owner}
        files = models.Attachment.objects.filter(**owned)
        self._slices(self._free(files, "thread"), self._delete_files)
        runs = models.Run.objects.filter(**owned).exclude(status="running")
        self._slices(self._free(runs, "thread"), self._delete_runs)
        thumbs = models.Feedback.objects.filter(**owned)
        held = holds.holding("thread", "thread__owner")
        self._slices(thumbs.filter(~held), self._plainly(models.Feedback))
        positions = models.DeletedPosition.objects.filter(scope=self.owner)
        self._slices(positions, self._plainly(models.DeletedPosition))
        return sum(self.receipt.rows.values()) > before

    def use(self) -> int:
        """Make what the owner has used nobody's, and return how many entries."""
        entries = models.UseEntry.objects.for_owner(self.owner).order_by("pk")
        count = 0
        while keys := list(entries.values_list("pk", flat=True)[:SLICE]):
            rows = models.UseEntry.objects.filter(pk__in=keys)
            count += rows.update(owner="", address="")
            self._told("use_entries", count)
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

    def _delete_threads(self, keys: list[str]) -> None:
        parts: list[tuple[type[Any], Delete]] = [
            (models.GeneratedImage, self._delete_images),
            (models.ThreadItem, self._plainly(models.ThreadItem)),
            (models.Attachment, self._delete_files),
            (models.Run, self._delete_runs),
        ]
        for model, delete in parts:
            found = [None] * SLICE
            while len(found) == SLICE:
                with atomic():
                    rows = model._default_manager.filter(thread__in=_locked(keys))
                    found = list(rows.order_by().values_list("pk", flat=True)[:SLICE])
                    if found:
                        delete(found)
        with atomic():
            free = _locked(keys)
            self._count(models.DeletedPosition.objects.filter(scope__in=free).delete())
            self._count(models.Thread.objects.filter(pk__in=free).delete())

    def _slices(self, rows: QuerySet[Any], delete: Delete) -> None:
        """Delete rows outside of the owner's threads."""
        keys: list[Any] = [None]
        while keys:
            with atomic():
                keys = list(rows.order_by().values_list("pk", flat=True)[:SLICE])
                if keys:
                    delete(keys)

    def _delete_images(self, keys: list[Any]) -> None:
        images = models.GeneratedImage.objects.filter(pk__in=keys)
        parts: dict[str, QuerySet[Any]] = {
            "images": images,
            "partial_images": models.PartialImage.objects.filter(image__in=keys),
            "variants": models.ImageVariant.objects.filter(image__in=keys),
        }
        self.receipt.add({}, {name: sizes.total(each) for name, each in parts.items()})
        # Bytes of a final may be under the name that its row has reserved.
        for image in images.exclude(status=models.GeneratedImage.Status.COMPLETED):
            names = (
                storage.name_of("images", image.key, extension)
                for extension in imaging.EXTENSIONS.values()
            )
            models.DeletedFile.objects.schedule(
                storage.Blob(name, image.stored_in) for name in names
            )
        self._count(images.delete())

    def _delete_files(self, keys: list[Any]) -> None:
        files = models.Attachment.objects.filter(pk__in=keys)
        variants = models.ImageVariant.objects.filter(attachment__in=keys)
        parts: dict[str, QuerySet[Any]] = {"attachments": files, "variants": variants}
        self.receipt.add({}, {name: sizes.total(each) for name, each in parts.items()})
        self._count(files.delete())

    def _delete_runs(self, keys: list[uuid.UUID]) -> None:
        if settings.RUN_LOG_URL is not None:
            # Redis may be slow, and nobody waits for a transaction that waits for it.
            transaction.on_commit(lambda: self._drop_logs(keys), using=alias())
        self._count(models.RunEnd.objects.filter(run_id__in=keys).delete())
        self._count(models.Run.objects.filter(pk__in=keys).delete())

    def _drop_logs(self, keys: list[uuid.UUID]) -> None:
        # The package ``redis`` is an extra, so it is imported only if a URL is set.
        drop = import_string("chatkit_images.runs.log.erasing.drop")
        self.logs_dropped = drop(settings.RUN_LOG_URL, keys) and self.logs_dropped

    def _plainly(self, model: type[Any]) -> Delete:
        rows = model._default_manager
        return lambda keys: self._count(rows.filter(pk__in=keys).delete())

    def _count(self, deleted: tuple[int, dict[str, int]]) -> None:
        kinds = {label.rpartition(".")[2]: n for label, n in deleted[1].items()}
        self.receipt.add({NAMES[kind]: n for kind, n in kinds.items()})
        self._told("rows", sum(self.receipt.rows.values()))


def _locked(keys: Collection[str]) -> list[str]:
    """Lock threads, and return those that are there and not held."""
    rows = models.Thread.objects.filter(pk__in=keys).select_for_update()
    found = list(rows.order_by("pk").values_list("pk", flat=True))
    held = holds.held_threads(found)
    return [key for key in found if key not in held]


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
