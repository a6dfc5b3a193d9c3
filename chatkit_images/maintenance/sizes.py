"""How many bytes the files of rows have, as far as the rows say.

Thumbnails are not counted: no column has their size.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Q, QuerySet, Sum

from .. import models


def of_rows(kind: str, keys: Collection[Any]) -> int:
    """Return the bytes of the rows of one of the kinds of ``RETENTION``."""
    if not keys or kind in ("RUNS", "USE_ENTRIES"):
        return 0
    if kind == "PARTIAL_IMAGES":
        return total(models.PartialImage.objects.filter(pk__in=keys))
    if kind == "THREADS":
        return sum(total(rows) for rows in in_threads(keys).values())
    return (
        total(models.GeneratedImage.objects.filter(pk__in=keys))
        + total(models.PartialImage.objects.filter(image__in=keys))
        + total(models.ImageVariant.objects.filter(image__in=keys))
    )


def in_threads(keys: Collection[Any]) -> dict[str, QuerySet[Any]]:
    """Return the rows with files of some threads, by what they are called."""
    variants = models.ImageVariant.objects
    return {
        "images": models.GeneratedImage.objects.filter(thread__in=keys),
        "partial_images": models.PartialImage.objects.filter(image__thread__in=keys),
        "attachments": models.Attachment.objects.filter(thread__in=keys),
        "variants": variants.filter(
            Q(image__thread__in=keys) | Q(attachment__thread__in=keys)
        ),
    }


def total(rows: QuerySet[Any]) -> int:
    """Return the sum of the bytes of rows."""
    return rows.order_by().aggregate(sum=Sum("bytes"))["sum"] or 0
