"""The outbox of files to delete, and their deletion from the storage."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import connections, transaction
from django.db.models import FileField, Model, Q
from django.utils import timezone

from . import storage
from .querysets import FreshQuerySet

if TYPE_CHECKING:
    # The linter does not look for names in the bases of classes.
    from .models import DeletedFile  # noqa: F401

logger = logging.getLogger(__name__)
# Notes that are read, and files that are deleted, before others have their turn.
PAGE = 500


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
        if made:
            rows.bulk_create(made)
            names = [row.name for row in made]
            names += rows._make_due(names)
            transaction.on_commit(lambda: rows._begin(names), using=rows.db)

    def _make_due(self, names: Sequence[str]) -> list[str]:
        """Have what moves have left of files deleted with them; return those names."""
        found: list[str] = []
        asked = list(names)
        # What was moved twice has left two copies.
        while page := asked[:PAGE]:
            asked = asked[PAGE:]
            left = self.filter(moved_to__in=page).exclude(due_at=None)
            if more := list(left.values_list("name", flat=True)):
                left.update(due_at=None)
                found += more
                asked += more
        return found

    def due(self) -> Self:
        """Return the notes of files that nobody may read any more."""
        return self.filter(Q(due_at=None) | Q(due_at__lte=timezone.now()))

    def _begin(self, names: Sequence[str]) -> None:
        storage.kept_parts.forget(names)
        # The thread of database work has other work; it must not wait for the storage.
        # Nor must other owners wait for all files of one.
        for start in range(0, len(names), PAGE):
            storage.later(self._delete_quietly, names[start : start + PAGE])

    def _delete_quietly(self, names: Sequence[str]) -> None:
        try:
            # By their names: not every database tells the keys of many new rows.
            self.filter(name__in=names).delete_files()
        except Exception:
            # The notes stay; the sweep tries again.
            logger.warning("Deleted files remain in the storage.", exc_info=True)
        finally:
            # No request begins or ends in this thread, so nothing else closes its
            # connections.
            connections.close_all()

    def delete_files(self) -> int:
        """Delete the noted files that are due, and return how many.

        It goes through them in pages. Other processes may do the same meanwhile. If a
        storage is silent about a whole page, the pages behind it are left. A file that
        a row names there by now stays, and its note goes.

        Raises:
            Exception: The storage's own, the first of them, when all files were
                tried. The others stay scheduled.
        """
        deleted = 0
        first: Exception | None = None
        rows = self.due().order_by("pk")
        every = self.model.objects.using(rows.db)
        page = list(rows[:PAGE])
        with storage.Patience() as patience:
            while page:
                last, named = page[-1].pk, self._named(page)
                if named:
                    every.filter(pk__in=named).delete()
                    page = [row for row in page if row.pk not in named]
                failed = _delete(page, patience)
                first = first or next(iter(failed.values()), None)
                done = [row.pk for row in page if row.pk not in failed]
                deleted += every.filter(pk__in=done).delete()[0]
                if failed and len(failed) == len(page) and _are_silent(failed.values()):
                    break
                page = list(rows.filter(pk__gt=last)[:PAGE])
        if first is not None:
            raise first
        return deleted

    def _named(self, page: Sequence[DeletedFile]) -> set[int]:
        """Return the keys of the notes whose file a row names in that storage.

        One statement, each part of which is answered by the index of its column.
        """
        names = [row.name for row in page]
        first, *others = [
            model._default_manager.using(self.db)
            .filter(**{f"{field}__in": names})
            .order_by()
            .values_list(field, "storage_alias")
            for model, fields in file_columns().items()
            for field in fields
        ]
        found = {
            (name, storage.whereabouts.alias_of(alias))
            for name, alias in first.union(*others, all=True).order_by()
        }
        named = [row for row in page if (row.name, row.stored_in) in found]
        for row in named:
            logger.warning("%s is not deleted, as a row names it", row.name)
        return {row.pk for row in named}


def file_columns() -> dict[type[Model], list[str]]:
    """Return the app's models with file fields, and the names of these fields."""
    columns = {
        model: [
            field.name
            for field in model._meta.get_fields()
            if isinstance(field, FileField)
        ]
        for model in apps.get_app_config("chatkit_images").get_models()
    }
    return {model: names for model, names in columns.items() if names}


class Deletion:
    """The files of the rows that one deletion of Django's deletes, with its cascades.

    Django says of each row that it will be deleted, before it deletes the first, and
    then of each that it is deleted. So the last one is known, and behind it all files
    are noted at once. It is kept at the ``origin`` of the deletion, which ends with it.
    """

    _KEPT_AS = "_chatkit_images_deletion"

    def __init__(self) -> None:
        self._left: set[tuple[type[Model], Any]] = set()
        self._blobs: list[storage.Blob] = []
        self._is_odd = False

    @classmethod
    def expect(cls, origin: Any, row: Model) -> None:
        """Take a row that is going to be deleted; ``origin`` is that of the signal."""
        if origin is None:
            return
        kept = vars(origin).setdefault(cls._KEPT_AS, cls())
        key = (type(row), row.pk)
        # Then a deletion of this origin was broken off before. Which rows are left of
        # it is not known, so each row is noted by itself from here on.
        kept._is_odd = kept._is_odd or key in kept._left or bool(kept._blobs)
        kept._left.add(key)

    @classmethod
    def take(
        cls, origin: Any, row: Model, blobs: list[storage.Blob]
    ) -> list[storage.Blob]:
        """Take the files of a row that is deleted, and return those to be noted now."""
        kept = None if origin is None else vars(origin).get(cls._KEPT_AS)
        key = (type(row), row.pk)
        if kept is None or kept._is_odd or key not in kept._left:
            return blobs
        kept._left.discard(key)
        kept._blobs += blobs
        if kept._left:
            return []
        del vars(origin)[cls._KEPT_AS]
        found: list[storage.Blob] = kept._blobs
        return found


def _delete(
    page: list[DeletedFile], patience: storage.Patience
) -> dict[int, Exception]:
    """Delete files, and return what was raised about those that may still be there."""
    failed: dict[int, Exception] = {}
    by_storage: dict[str, list[DeletedFile]] = defaultdict(list)
    for row in page:
        by_storage[row.storage_alias].append(row)
    for alias, rows in by_storage.items():
        names = [row.name for row in rows]
        try:
            errors = storage.delete_all(names, alias, patience)
        except Exception as error:  # There may be no such storage any more.
            errors = dict.fromkeys(names, error)
        for row in rows:
            if row.name in errors:
                failed[row.pk] = errors[row.name]
                logger.warning("%s cannot be deleted: %r", row.name, failed[row.pk])
    return failed


def _are_silent(errors: Iterable[Exception]) -> bool:
    return all(isinstance(error, TimeoutError) for error in errors)
