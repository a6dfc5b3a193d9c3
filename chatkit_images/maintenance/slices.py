"""Rows that are deleted in slices, and counted in a receipt.

Each transaction is short. What is in a thread goes before the thread, and each
transaction locks the thread, and asks again whether it may go. Others write meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from .. import imaging, models, storage
from ..conf import settings
from ..queries import holds
from ..transactions import alias, atomic
from . import sizes
from .deleted_names import DeletedNames
from .receipts import Receipt

# Rows of one kind in one transaction.
SLICE = 100
# The names in receipts. Rows of a project's own models have their labels.
NAMES = {
    "chatkit_images.Thread": "threads",
    "chatkit_images.ThreadItem": "items",
    "chatkit_images.GeneratedImage": "images",
    "chatkit_images.PartialImage": "partial_images",
    "chatkit_images.ImageVariant": "variants",
    "chatkit_images.ImageSource": "image_sources",
    "chatkit_images.RefusedInput": "refused_inputs",
    "chatkit_images.Attachment": "attachments",
    "chatkit_images.Feedback": "feedback",
    "chatkit_images.Run": "runs",
    "chatkit_images.RunEnd": "run_ends",
    "chatkit_images.DeletedPosition": "positions",
    "chatkit_images.UseCounter": "counters",
    "chatkit_images.OwnerBlock": "blocks",
}
Told = Callable[[str, int], None]
Delete = Callable[[list[Any]], None]
Lock = Callable[[Collection[str]], list[str]]


class Slices:
    """Deletes rows of some kinds, with what hangs on them.

    Args:
        receipt: Counts what is deleted.
        told: Is called with a kind and how many of its rows are deleted so far.

    Attributes:
        logs_dropped: Whether Redis has dropped the logs of all runs so far.
        files: The files of what is deleted.
    """

    def __init__(self, receipt: Receipt, told: Told) -> None:
        self.receipt, self.told = receipt, told
        self.logs_dropped = True
        self.files = DeletedNames()

    def delete_threads(
        self, keys: list[str], *, lock: Lock | None = None, bury: Delete | None = None
    ) -> None:
        """Delete threads, each slice of what is in them in a transaction of its own.

        Args:
            keys: Their ids.
            lock: Is called first in each transaction; locks threads, and returns those
                that may go still. Default: those that are not held.
            bury: Is called with the threads that are about to go themselves.
        """
        lock = lock or _locked
        parts: list[tuple[type[Any], Delete]] = [
            (models.GeneratedImage, self.delete_images),
            (models.ThreadItem, self.plainly(models.ThreadItem)),
            (models.Attachment, self.delete_files),
            (models.Run, self.delete_runs),
        ]
        for model, delete in parts:
            found = [None] * SLICE
            while len(found) == SLICE:
                with atomic():
                    rows = model._default_manager.filter(thread__in=lock(keys))
                    found = list(rows.order_by().values_list("pk", flat=True)[:SLICE])
                    if found:
                        delete(found)
        with atomic():
            free = lock(keys)
            if bury is not None:
                bury(free)
            self.count(models.DeletedPosition.objects.filter(scope__in=free).delete())
            self.count(models.Thread.objects.filter(pk__in=free).delete())

    def delete_images(self, keys: list[Any]) -> None:
        """Delete images, with their previews and variants."""
        images = models.GeneratedImage.objects.filter(pk__in=keys)
        parts: dict[str, QuerySet[Any]] = {
            "images": images,
            "partial_images": models.PartialImage.objects.filter(image__in=keys),
            "variants": models.ImageVariant.objects.filter(image__in=keys),
        }
        self.receipt.add({}, {name: sizes.total(each) for name, each in parts.items()})
        self.files.add(*parts.values())
        for blobs in reserved_in(images):
            self.files.names.update(blob.name for blob in blobs)
            models.DeletedFile.objects.schedule(blobs)
        self.count(images.delete())

    def delete_files(self, keys: list[Any]) -> None:
        """Delete attachments, with their variants."""
        files = models.Attachment.objects.filter(pk__in=keys)
        variants = models.ImageVariant.objects.filter(attachment__in=keys)
        parts: dict[str, QuerySet[Any]] = {"attachments": files, "variants": variants}
        self.receipt.add({}, {name: sizes.total(each) for name, each in parts.items()})
        self.files.add(*parts.values())
        self.count(files.delete())

    def delete_runs(self, keys: list[uuid.UUID]) -> None:
        """Delete runs, with the logs of their streams."""
        if settings.RUN_LOG_URL is not None:
            # Redis may be slow, and nobody waits for a transaction that waits for it.
            transaction.on_commit(lambda: self._drop_logs(keys), using=alias())
        self.count(models.RunEnd.objects.filter(run_id__in=keys).delete())
        self.count(models.Run.objects.filter(pk__in=keys).delete())

    def _drop_logs(self, keys: list[uuid.UUID]) -> None:
        # The package ``redis`` is an extra, so it is imported only if a URL is set.
        drop = import_string("chatkit_images.runs.log.erasing.drop")
        self.logs_dropped = drop(settings.RUN_LOG_URL, keys) and self.logs_dropped

    def plainly(self, model: type[Any]) -> Delete:
        """Return what deletes rows of a model on which nothing with files hangs."""
        rows = model._default_manager
        return lambda keys: self.count(rows.filter(pk__in=keys).delete())

    def count(self, deleted: tuple[int, dict[str, int]]) -> None:
        """Count what a ``delete()`` says that it has deleted."""
        kinds = {NAMES.get(label, label): n for label, n in deleted[1].items()}
        self.receipt.add(kinds)
        self.told("rows", sum(self.receipt.rows.values()))


def reserved_in(
    images: QuerySet[models.GeneratedImage],
) -> Iterator[list[storage.Blob]]:
    """Yield the files under which the bytes of a final may be that a row awaits."""
    for image in images.exclude(status=models.GeneratedImage.Status.COMPLETED):
        names = (
            storage.name_of("images", image.key, extension)
            for extension in imaging.EXTENSIONS.values()
        )
        yield [storage.Blob(name, image.stored_in) for name in names]


def _locked(keys: Collection[str]) -> list[str]:
    """Lock threads, and return those that are there and not held."""
    rows = models.Thread.objects.filter(pk__in=keys).select_for_update()
    found = list(rows.order_by("pk").values_list("pk", flat=True))
    held = holds.held_threads(found)
    return [key for key in found if key not in held]
