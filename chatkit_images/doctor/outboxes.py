"""Notes of work to do, which nobody has done in time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .. import models
from .drift import Finding, Look, long_ago, said

FILES = "undeleted-files"


def find_files(look: Look) -> Iterator[Finding]:
    """Yield the notes of files that should have been deleted a day ago."""
    old = models.DeletedFile.objects.filter(created_at__lt=long_ago())
    for page in look.pages(old):
        for row in page:
            why = f"{row.name} was to be deleted on {row.created_at.isoformat()}"
            yield Finding(FILES, said(row), why, mend=partial(_delete, row))


def _delete(row: models.DeletedFile) -> bool:
    models.DeletedFile.objects.filter(pk=row.pk).delete_files()
    return True
