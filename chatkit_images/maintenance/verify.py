"""The comparison of the storage with the rows."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from .. import models, storage

Status = models.GeneratedImage.Status
logger = logging.getLogger(__name__)
# How many rows are read at a time.
PAGE = 500
# A storage that is silent about so many files would be so for days about all.
IN_A_ROW = 10


@dataclass(frozen=True)
class Finding:
    """An image that is not what its row says.

    Attributes:
        image: Its row.
        problem: ``"missing"``, ``"changed"`` or ``"unreadable"``.
        error: What the storage has raised, if the file is unreadable.
    """

    image: models.GeneratedImage
    problem: str
    error: Exception | None = None


class StorageSilent(Exception):
    """A storage does not answer at all; the images behind ``last`` were not read.

    Attributes:
        last: The key of the last image that was read before it fell silent, ``None`` if
            it was the first.
    """

    def __init__(self, error: Exception, last: uuid.UUID | None) -> None:
        super().__init__(str(error))
        self.last = last


def verify(
    after: uuid.UUID | None = None,
    limit: int | None = None,
    progress: Callable[[uuid.UUID, int], None] | None = None,
) -> Iterator[Finding]:
    """Read every complete image, in the order of their keys, and yield the wrong ones.

    Args:
        after: Begin behind the image of this key, for example where another call was
            cut off.
        limit: How many images to read at most.
        progress: Is called with the key of each image that was read, and how many they
            are by now.

    Raises:
        StorageSilent: If the storage is silent about ``IN_A_ROW`` files one after the
            other.
        django.db.Error: If the database does not answer.
    """
    silent, last = 0, after
    with storage.Patience() as patience:
        for done, image in enumerate(islice(_complete(after), limit), 1):
            finding = _finding(image, patience)
            is_silent = finding and isinstance(finding.error, TimeoutError)
            silent = silent + 1 if is_silent else 0
            if finding is not None and _says_so_still(image):
                yield finding
            if finding and finding.error and silent == IN_A_ROW:
                raise StorageSilent(finding.error, last)
            if not silent:
                last = image.pk
            if progress is not None:
                progress(image.pk, done)


def _complete(after: uuid.UUID | None) -> Iterator[models.GeneratedImage]:
    """Yield the complete images, a page of them at a time.

    No cursor is open while their files are read, which may take hours: behind a pooler
    it would be gone, and it would hold a connection or a transaction.
    """
    rows = models.GeneratedImage.objects.filter(status=Status.COMPLETED).order_by("pk")
    page = list((rows if after is None else rows.filter(pk__gt=after))[:PAGE])
    while page:
        yield from page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])


def _finding(
    image: models.GeneratedImage, patience: storage.Patience
) -> Finding | None:
    name = str(image.file.name)
    if not storage.is_named(name):
        return Finding(image, "missing")
    try:
        data = patience.call(storage.read, name, image.storage_alias)
    except FileNotFoundError:
        return Finding(image, "missing")
    except Exception as error:
        logger.warning("%s cannot be read: %r", name, error)
        return Finding(image, "unreadable", error)
    if hashlib.sha256(data).hexdigest() == image.sha256:
        return None
    return Finding(image, "changed")


def _says_so_still(image: models.GeneratedImage) -> bool:
    """Whether the row is as it was: a person may have deleted the image meanwhile."""
    same = models.GeneratedImage.objects.filter(pk=image.pk, status=Status.COMPLETED)
    same = same.filter(storage_alias=image.storage_alias, sha256=image.sha256)
    return same.filter(file=image.file.name).exists()
