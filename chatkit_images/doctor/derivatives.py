"""Thumbnails that were never made, or are lost.

Whoever looks at such an image makes its thumbnail, too, but then somebody waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

from django.conf import settings as django_settings
from django.db.models import Exists, OuterRef, QuerySet

from .. import imaging, late_thumbnails, models
from ..queries.missing_thumbnails import IMPOSSIBLE, Row
from .drift import Finding, Look, a_while_ago
from .drift import said as said_of_row
from .files import is_there

THUMBNAILS = "missing-thumbnails"
# How often a thumbnail is waited for, two seconds each.
TRIES = 15


def find(look: Look) -> Iterator[Finding]:
    """Yield the complete images that have no thumbnail and may have one."""
    pages: Iterator[Sequence[Row]] = chain(
        look.pages(_images()), look.pages(_attachments())
    )
    for page in pages:
        for row in page:
            if _has_file(row, look):
                size, why = row.bytes or 0, "it has no thumbnail"
                what, mend = said_of_row(row), partial(make, row)
                where = [row.stored_in]
                yield Finding(THUMBNAILS, what, why, size, mend, storages=where)


def make(row: Row) -> bool:
    """Have the thumbnail made, or noted that there cannot be one.

    A row that is gone, or has another file by now, needs none.
    """
    same = type(row)._default_manager.filter(pk=row.pk, file=row.file.name)
    return any(
        late_thumbnails.ask(row) is not None or not same.exists() for _ in range(TRIES)
    )


def _images() -> QuerySet[models.GeneratedImage]:
    done = models.GeneratedImage.objects.filter(
        status=models.GeneratedImage.Status.COMPLETED,
        thumbnail="",
        mime__in=imaging.INLINE,
        # A thumbnail comes a moment after its image.
        finished_at__lt=a_while_ago(),
    )
    noted = models.ImageVariant.objects.filter(image=OuterRef("pk"), form=IMPOSSIBLE)
    return done.exclude(file="").exclude(Exists(noted))


def _attachments() -> QuerySet[models.Attachment]:
    rows = models.Attachment.objects.filter(
        kind=models.Attachment.Kind.IMAGE,
        thumbnail="",
        mime_type__in=imaging.INLINE,
        created_at__lt=a_while_ago(),
    )
    noted = models.ImageVariant.objects.filter(
        attachment=OuterRef("pk"), form=IMPOSSIBLE
    )
    return rows.exclude(file="").exclude(Exists(noted))


def _has_file(row: Row, look: Look) -> bool:
    """Whether the file is there; if it is not, that is another class."""
    if row.stored_in not in django_settings.STORAGES:
        return False
    try:
        return is_there(look, str(row.file.name), row.stored_in)
    except Exception as error:
        look.fails(said_of_row(row), error)
        return False
