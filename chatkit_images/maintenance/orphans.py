"""Orphans: files that no row names, and the images that reserved their names."""

from __future__ import annotations

from .. import models, storage
from ..conf import settings
from ..models.files import file_columns
from ..queries import endings

Status = models.GeneratedImage.Status
BATCH = 500
# The sweep deletes so many unknown files without doubting that this is their database.
UNKNOWN_AT_ONCE = 100


def find_orphans() -> tuple[int, list[str]]:
    """Count all files, and return the names of old ones that no row names."""
    listed, old = 0, []
    for name, age in storage.listing():
        listed += 1
        if age > settings.SWEEP_GRACE_SECONDS:
            old.append(name)
    found: list[str] = []
    for start in range(0, len(old), BATCH):
        found += _unknown(old[start : start + BATCH])
    return listed, found


def are_suspicious(orphans: list[str], listed: int) -> bool:
    """Whether so many files are unknown that this is probably another database.

    Args:
        orphans: The files that no row names.
        listed: How many files there are.
    """
    return len(orphans) > max(UNKNOWN_AT_ONCE, listed / 2)


def adopt(names: list[str]) -> set[str]:
    """Give files to the images that have reserved their names; return those files."""
    rows = models.GeneratedImage.objects.filter(
        key__in=[storage.key_of(name) for name in names]
    )
    endings.recover_all(
        # A run may still be working on an unfinished image. Complete and blocked images
        # need no file.
        rows.exclude(status__in=(Status.GENERATING, Status.COMPLETED, Status.BLOCKED))
    )
    reserved = set(rows.unfinished().values_list("key", flat=True))
    owned = set(rows.filter(file__in=names).values_list("file", flat=True))
    return {name for name in names if name in owned or storage.key_of(name) in reserved}


def _unknown(names: list[str]) -> list[str]:
    """Return the names that no row has."""
    known: set[str] = set()
    columns = file_columns()
    columns[models.DeletedFile] = ["name"]
    for model, fields in columns.items():
        for field in fields:
            rows = model._default_manager.filter(**{f"{field}__in": names})
            known.update(rows.values_list(field, flat=True))
    return [name for name in names if name not in known]
