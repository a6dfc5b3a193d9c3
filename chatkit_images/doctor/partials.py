"""Previews that stay although their images have ended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .. import models
from ..conf import settings
from ..querysets import OwnedQuerySet
from ..transactions import atomic
from .drift import Finding, Look, a_while_ago, said
from .held import is_held

PARTIALS = "old-partials"


def find(look: Look) -> Iterator[Finding]:
    """Yield the partial images of ended images, unless the project keeps them."""
    if settings.KEEP_PARTIAL_IMAGES:
        return
    for page in look.pages(_old()):
        for row in page:
            size, why = row.bytes or 0, f"its image has ended as {row.image.status}"
            mend, where = partial(_delete, row), [row.stored_in]
            yield Finding(PARTIALS, said(row), why, size, mend, storages=where)


def _old() -> OwnedQuerySet[models.PartialImage]:
    rows = models.PartialImage.objects.select_related("image")
    ended = rows.exclude(image__status=models.GeneratedImage.Status.GENERATING)
    # An image ends and loses its previews in one transaction.
    return ended.filter(image__finished_at__lt=a_while_ago())


@atomic()
def _delete(row: models.PartialImage) -> bool:
    if is_held(row):
        return False
    # What adopts a preview locks its image.
    models.GeneratedImage.objects.locked().filter(pk=row.image_id).one()
    _old().filter(pk=row.pk).delete()
    return True
