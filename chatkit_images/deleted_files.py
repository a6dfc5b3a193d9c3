"""The outbox of files to delete, and their deletion from the storage."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone

from . import storage
from .querysets import FreshQuerySet

if TYPE_CHECKING:
    # The linter does not look for names in the bases of classes.
    from .models import DeletedFile  # noqa: F401

logger = logging.getLogger(__name__)


class DeletedFileQuerySet(FreshQuerySet["DeletedFile"]):
    """Queries of the outbox of files to delete."""

    def schedule(self, blobs: Iterable[storage.Blob]) -> None:
        """Note files for deletion and delete them when the transaction is through.

        Call it in the transaction that deletes their rows. ``storage.drain()``
        waits for the deletion, which happens in the background.
        """
        # Named here, as the routers may not know it in the thread of the deletion.
        rows = self.using(self.db)
        made = [
            self.model(name=blob.name, storage_alias=blob.alias)
            for blob in blobs
            if blob.name
        ]
        if connections[rows.db].features.can_return_rows_from_bulk_insert:
            rows.bulk_create(made)
        else:
            for row in made:
                row.save(using=rows.db)
        keys = [row.pk for row in made]
        if keys:
            gone = [row.name for row in made]
            transaction.on_commit(
                lambda: storage.kept_parts.forget(gone), using=rows.db
            )
            # The thread of database work has other work; it must not wait for the
            # storage.
            transaction.on_commit(
                lambda: storage.later(rows._delete_quietly, keys), using=rows.db
            )

    def due(self) -> Self:
        """Return the notes of files that nobody may read any more."""
        return self.filter(Q(due_at=None) | Q(due_at__lte=timezone.now()))

    def _delete_quietly(self, keys: list[int]) -> None:
        try:
            self.filter(pk__in=keys).delete_files()
        except Exception:
            # The notes stay; the sweep tries again.
            logger.warning("Deleted files remain in the storage.", exc_info=True)
        finally:
            # No request begins or ends in this thread, so nothing else closes its
            # connections.
            connections.close_all()

    def delete_files(self) -> int:
        """Delete the noted files and return how many.

        Raises:
            Exception: The storage's own, the first of them, when all files were
                tried. The others stay scheduled.
        """
        deleted = 0
        first: Exception | None = None
        with storage.Patience() as patience:
            for row in self.due().order_by("pk"):
                try:
                    patience.call(storage.delete, row.name, row.storage_alias)
                except Exception as error:
                    logger.warning("%s cannot be deleted: %r", row.name, error)
                    first = first or error
                    continue
                row.delete()
                deleted += 1
        if first is not None:
            raise first
        return deleted
