"""Which images go into one zip, if there are more of them than it takes."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from .. import keysets, models
from ..conf import settings

# Rows that are read at once.
PAGE = 500


@dataclass(frozen=True)
class Part:
    """Images that go into one zip.

    Attributes:
        keys: Their keys, the newest first.
        bytes: What their rows say of the sizes of their files.
        last: Where the next part begins; ``None`` if there is none.
    """

    keys: list[uuid.UUID]
    bytes: int
    last: tuple[datetime.datetime, uuid.UUID] | None


def part_of(
    images: QuerySet[models.GeneratedImage],
    after: tuple[datetime.datetime, uuid.UUID] | None = None,
) -> Part:
    """Return the newest images that fit into one zip.

    Args:
        images: Those to choose from.
        after: Where the part before has ended.
    """
    most, room = settings.ZIP_IMAGES, settings.ZIP_BYTES
    keys: list[uuid.UUID] = []
    total = 0
    plain: Any = images.values_list("pk", "created_at", "bytes")
    while page := keysets.page(plain, after, "desc", PAGE, {}):
        for key, created_at, size in page:
            # One image goes into any zip.
            if len(keys) == most or (keys and total + (size or 0) > room):
                return Part(keys, total, after)
            keys.append(key)
            total += size or 0
            after = created_at, key
    return Part(keys, total, None)
