"""Files of withheld images, moved aside, so that URLs of the storage open nothing.

A URL of the storage's own, which ``IMAGE_URLS = "storage"`` hands out, is not asked for
at the app. If it is signed, it opens its file until it expires; if it is not, for ever.
So the file gets another name, which no URL has ever had.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection

from django.db import Error
from django.db.models import Q

from .. import models, storage
from ..conf import settings
from ..querysets import GeneratedImageQuerySet
from ..storage import copying
from ..transactions import atomic

logger = logging.getLogger(__name__)
WITHHELD = (models.Visibility.HELD, models.Visibility.HIDDEN)
# Files that are moved while staff wait for their page. The sweep moves the others.
AT_ONCE = 20


def waiting() -> GeneratedImageQuerySet:
    """Return the withheld images whose files are still where URLs may lead."""
    rows = models.GeneratedImage.objects.filter(visibility__in=WITHHELD, is_aside=False)
    if not (settings.MOVE_HIDDEN and settings.IMAGE_URLS == "storage"):
        return rows.none()
    return rows.exclude(Q(file="") | Q(status=models.GeneratedImage.Status.GENERATING))


def move_soon(keys: Collection[uuid.UUID]) -> None:
    """Move the files of images that were withheld just now, the first of them."""
    move(waiting().filter(pk__in=list(keys)[:AT_ONCE]))


def move(
    rows: GeneratedImageQuerySet, note: Callable[[Exception], object] | None = None
) -> int:
    """Give the files of images other names, and return how many have one now.

    One that cannot be moved now waits for the next sweep. Blocks on the storage.

    Args:
        rows: Some of those that ``waiting()`` returns.
        note: Is called with what kept one from being moved.
    """
    moved = 0
    for image in rows.order_by("pk").iterator(chunk_size=100):
        try:
            moved += _move(image)
        except Error:
            raise  # Of the database.
        except Exception as error:
            logger.warning("The file of image %s is not moved: %r", image.pk, error)
            if note is not None:
                note(error)
    return moved


def _move(image: models.GeneratedImage) -> bool:
    before = storage.Blob(str(image.file.name), image.stored_in)
    after = storage.Blob(storage.renamed(before.name), before.alias)
    copying.copy(before, after)
    with atomic():
        same = models.GeneratedImage.objects.filter(pk=image.pk, file=before.name)
        same = same.filter(visibility__in=WITHHELD, storage_alias=image.storage_alias)
        is_moved = same.update(file=after.name, is_aside=True) == 1
        left = before if is_moved else after
        models.DeletedFile.objects.schedule([left])
    return is_moved
