"""Notes of work to do, which nobody has done in time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db.models import Q, QuerySet

from .. import models
from ..queries import run_ends
from ..runs import telling
from ..times import Now
from .drift import Finding, Look, a_while_ago, long_ago, said

FILES, ENDS = "undeleted-files", "untold-ends"


def find_files(look: Look) -> Iterator[Finding]:
    """Yield the notes of files that should have been deleted a day ago."""
    due = models.DeletedFile.objects.due()
    old = due.filter(Q(due_at=None) | Q(due_at__lt=long_ago()))
    for page in look.pages(old.filter(created_at__lt=long_ago())):
        for row in page:
            when = row.due_at or row.created_at
            why = f"{row.name} was to be deleted on {when.isoformat()}"
            yield Finding(FILES, said(row), why, mend=partial(_delete, row))


def find_ends(look: Look) -> Iterator[Finding]:
    """Yield the ends of runs of which nobody has told in time, or tells any more."""
    for page in look.pages(_untold()):
        for end in page:
            why = end.error or f"it has ended on {end.created_at.isoformat()}"
            yield Finding(ENDS, said(end), why, mend=partial(_tell, end))


def _untold() -> QuerySet[models.RunEnd]:
    late = Q(due_at__lt=a_while_ago()) | Q(due_at=None)
    return models.RunEnd.objects.filter(late)


def _tell(end: models.RunEnd) -> bool:
    """Tell of an end, once more if that was given up."""
    given_up = run_ends.given_up().filter(pk=end.pk)
    given_up.update(due_at=Now(), attempts=0)
    telling.tell_all()
    return not models.RunEnd.objects.filter(pk=end.pk).exists()


def _delete(row: models.DeletedFile) -> bool:
    models.DeletedFile.objects.filter(pk=row.pk).delete_files()
    return True
