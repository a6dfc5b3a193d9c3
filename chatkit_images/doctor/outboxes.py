"""Notes of work to do, which nobody has done in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from django.db.models import Q, QuerySet

from .. import models
from ..queries import run_ends
from ..runs import telling
from ..times import Now
from .drift import Finding, Look, a_while_ago, long_ago, said

FILES, ENDS = "undeleted-files", "untold-ends"
SERVERS_TELL = "It takes too long to tell of all ends. Servers tell of what is left."


class NotTold(Exception):
    """The webhook takes so long that the rest is left to the servers."""


def find_files(look: Look) -> Iterator[Finding]:
    """Yield the notes of files that should have been deleted a day ago."""
    due = models.DeletedFile.objects.due()
    old = due.filter(Q(due_at=None) | Q(due_at__lt=long_ago()))
    for page in look.pages(old.filter(created_at__lt=long_ago())):
        for row in page:
            when = row.due_at or row.created_at
            why = f"{row.name} was to be deleted on {when.isoformat()}"
            mend, where = partial(_delete, row), [row.stored_in]
            yield Finding(FILES, said(row), why, mend=mend, storages=where)


def find_ends(look: Look) -> Iterator[Finding]:
    """Yield the ends of runs of which nobody has told in time, or tells any more."""
    telling = _Telling(look)
    for page in look.pages(_untold()):
        keys = [end.pk for end in page]
        for end in page:
            why = end.error or f"it has ended on {end.created_at.isoformat()}"
            mend = partial(telling.tell, end, keys)
            yield Finding(ENDS, said(end), why, mend=mend, storages=())


def _untold() -> QuerySet[models.RunEnd]:
    late = Q(due_at__lt=a_while_ago()) | Q(due_at=None)
    return models.RunEnd.objects.filter(late)


class _Telling:
    """Tells of ends, a page of them at once, for a minute in all.

    Each end may take as long as the webhook is silent, and there may be thousands.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._begun: list[int] = []
        self._until: float | None = None

    def tell(self, end: models.RunEnd, page: list[int]) -> bool:
        """Tell of the ends of a page, once more of those that were given up."""
        if self._begun is not page:
            self._begun = page
            self._tell(page)
        return not models.RunEnd.objects.filter(pk=end.pk).exists()

    def _tell(self, page: list[int]) -> None:
        given_up = run_ends.given_up().filter(pk__in=page)
        given_up.update(due_at=Now(), attempts=0)
        if self._until is None:
            self._until = time.monotonic() + telling.COMMAND_SECONDS
        telling.tell_all(max(0.0, self._until - time.monotonic()))
        if time.monotonic() >= self._until:
            self._look.refuse("the webhook", NotTold(SERVERS_TELL))


def _delete(row: models.DeletedFile) -> bool:
    models.DeletedFile.objects.filter(pk=row.pk).delete_files()
    return True
