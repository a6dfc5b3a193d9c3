"""The comparison of the storage with the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from .. import models, storage

Status = models.GeneratedImage.Status
# How many rows are read at a time.
PAGE = 500


@dataclass(frozen=True)
class Finding:
    """An image that is not what its row says.

    Attributes:
        image: Its row.
        problem: ``"missing"`` or ``"changed"``.
    """

    image: models.GeneratedImage
    problem: str


def verify() -> Iterator[Finding]:
    """Read every complete image, in the order of their keys, and yield the wrong ones.

    Raises:
        Exception: The storage's own, if it does not answer.
    """
    for image in _complete():
        problem = _problem(image)
        if problem is not None and _says_so_still(image):
            yield Finding(image, problem)


def _complete() -> Iterator[models.GeneratedImage]:
    """Yield the complete images, a page of them at a time.

    No cursor is open while their files are read, which may take hours: behind a pooler
    it would be gone, and it would hold a connection or a transaction.
    """
    rows = models.GeneratedImage.objects.filter(status=Status.COMPLETED).order_by("pk")
    page = list(rows[:PAGE])
    while page:
        yield from page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])


def _problem(image: models.GeneratedImage) -> str | None:
    try:
        data = storage.read(str(image.file.name))
    except (FileNotFoundError, ValueError):
        return "missing"
    return None if hashlib.sha256(data).hexdigest() == image.sha256 else "changed"


def _says_so_still(image: models.GeneratedImage) -> bool:
    """Whether the row is as it was: a person may have deleted the image meanwhile."""
    same = models.GeneratedImage.objects.filter(pk=image.pk, status=Status.COMPLETED)
    return same.filter(file=image.file.name, sha256=image.sha256).exists()
