"""The comparison of the storage with the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from .. import models, storage


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
    """Read every complete image, oldest first, and yield those that are wrong.

    Raises:
        Exception: The storage's own, if it does not answer.
    """
    status = models.GeneratedImage.Status.COMPLETED
    images = models.GeneratedImage.objects.filter(status=status).order_by("created_at")
    for image in images.iterator(chunk_size=500):
        try:
            data = storage.read(str(image.file.name))
        except (FileNotFoundError, ValueError):
            yield Finding(image, "missing")
            continue
        if hashlib.sha256(data).hexdigest() != image.sha256:
            yield Finding(image, "changed")
