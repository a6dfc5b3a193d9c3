"""The files of rows that are deleted in slices."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from .. import models
from ..deleted_files import file_columns
from ..queries import in_pages


class DeletedNames:
    """Knows the files of deleted rows among all that are noted for deletion.

    Attributes:
        names: Their names.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add(self, *parts: QuerySet[Any]) -> None:
        """Take the files of rows that are about to be deleted, with their copies.

        What moves have left of a file becomes due with it.
        """
        found: set[str] = set()
        for rows in parts:
            for names in rows.order_by().values_list(*file_columns()[rows.model]):
                found.update(filter(None, names))
        asked = list(found)
        while page := asked[: in_pages.PAGE]:
            left = models.DeletedFile.objects.filter(moved_to__in=page).order_by()
            more = set(left.values_list("name", flat=True)) - found
            asked = [*asked[in_pages.PAGE :], *more]
            found |= more
        self.names |= found

    def left(self, last: int) -> tuple[int, int]:
        """Return how many of the noted files are of these, and how many are not.

        Args:
            last: The key of the last note that counts.
        """
        mine = others = 0
        noted = models.DeletedFile.objects.due().filter(pk__lte=last)
        for page in in_pages.pages_of(noted):
            for name in page.values_list("name", flat=True):
                mine += name in self.names
                others += name not in self.names
        return mine, others
