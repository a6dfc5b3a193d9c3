"""Thumbnails that were never made, or are lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db.models import QuerySet

from .. import imaging, models, receiving, storage
from ..conf import settings
from ..exceptions import ImageError
from ..transactions import atomic
from .drift import Finding, Look, a_while_ago
from .drift import said as said_of_row

THUMBNAILS = "missing-thumbnails"
SVG = "image/svg+xml"


def find(look: Look) -> Iterator[Finding]:
    """Yield the complete images that have no thumbnail and may have one."""
    for page in look.pages(_bare()):
        for image in page:
            if thumbnail := made(image, look):
                mend = partial(keep, image, thumbnail)
                size, why = image.bytes or 0, f"{image.mime} without a thumbnail"
                yield Finding(THUMBNAILS, said_of_row(image), why, size, mend)


def _bare() -> QuerySet[models.GeneratedImage]:
    done = models.GeneratedImage.objects.filter(
        status=models.GeneratedImage.Status.COMPLETED,
        thumbnail="",
        # A thumbnail comes a moment after its image.
        finished_at__lt=a_while_ago(),
    )
    return done.exclude(file="").exclude(mime=SVG)


def made(image: models.GeneratedImage, look: Look) -> bytes:
    """Return a thumbnail, empty if there is no file or none can be made of it."""
    try:
        data = look.read(str(image.file.name), image.stored_in)
        if data is None:
            return b""
        return imaging.examine(data, settings.THUMBNAIL_SIDE, keep=True)[1]
    except (FileNotFoundError, ImageError):
        return b""  # That is another class, or it is shown as it is.


def keep(image: models.GeneratedImage, thumbnail: bytes) -> bool:
    """Store a thumbnail, unless the image has one, or another file, by now."""
    alias = image.stored_in
    name = receiving.store_thumbnail(thumbnail, alias)
    if not name:
        return False
    same = {"file": image.file.name, "storage_alias": image.storage_alias}
    with atomic():
        if not _bare().filter(pk=image.pk, **same).update(thumbnail=name):
            models.DeletedFile.objects.schedule([storage.Blob(name, alias)])
    return True
