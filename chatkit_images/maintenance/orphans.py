"""Orphans: files that no row names, and the images that reserved their names."""

from __future__ import annotations

from .. import models, storage
from ..conf import settings
from ..queries import endings, file_names

Status = models.GeneratedImage.Status
BATCH = 500
# The sweep deletes so many unknown files without doubting that this is their database.
UNKNOWN_AT_ONCE = 100


def find_orphans(errors: list[Exception] | None = None) -> tuple[int, list[str]]:
    """Count all files, and return the names of old ones that no row names.

    The files are asked about as they are listed, so that only its time grows with them.

    Args:
        errors: Gets what the storage raises about single files.
    """
    listed = 0
    old: list[str] = []
    found: list[str] = []
    for name, age in storage.listing(errors):
        listed += 1
        if age > settings.SWEEP_GRACE_SECONDS:
            old.append(name)
            if len(old) == BATCH:
                found += _unknown(old)
                old = []
    return listed, found + _unknown(old)


def are_suspicious(orphans: list[str], listed: int) -> bool:
    """Whether so many files are unknown that this is probably another database.

    Args:
        orphans: The files that no row names.
        listed: How many files there are.
    """
    return len(orphans) > max(UNKNOWN_AT_ONCE, listed / 2)


def adopt(names: list[str], errors: list[Exception] | None = None) -> set[str]:
    """Give files to the images that have reserved their names; return those files.

    Args:
        names: The files.
        errors: Gets what single files raise.
    """
    return {
        name
        for start in range(0, len(names), BATCH)
        for name in _adopt(names[start : start + BATCH], errors)
    }


def _adopt(names: list[str], errors: list[Exception] | None) -> list[str]:
    rows = models.GeneratedImage.objects.order_by().filter(
        key__in=[storage.key_of(name) for name in names]
    )
    endings.recover_all(
        # A run may still be working on an unfinished image. Complete and blocked images
        # need no file.
        rows.exclude(status__in=(Status.GENERATING, Status.COMPLETED, Status.BLOCKED)),
        errors,
    )
    reserved = set(rows.unfinished().values_list("key", flat=True))
    owned = set(
        models.GeneratedImage.objects.order_by()
        .filter(file__in=names)
        .values_list("file", flat=True)
    )
    return [name for name in names if name in owned or storage.key_of(name) in reserved]


def _unknown(names: list[str]) -> list[str]:
    """Return the names that no row has."""
    known = file_names.known(names)
    return [name for name in names if name not in known]
