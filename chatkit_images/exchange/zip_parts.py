"""Which images go into one zip, if there are more of them than it takes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from .. import models
from ..conf import settings
from ..queries import newest

# Rows that are read at once, and reads for one part.
PAGE, MOST_READS = 500, 20


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
    last: newest.Place | None


def part_of(
    images: QuerySet[models.GeneratedImage],
    after: newest.Place | None = None,
    *,
    are_few: bool = False,
) -> Part:
    """Return the newest images that fit into one zip.

    It may have fewer, if they are far from each other.

    Args:
        images: Those to choose from.
        after: Where the part before has ended.
        are_few: Whether they are some chosen ones.
    """
    most, room = settings.ZIP_IMAGES, settings.ZIP_BYTES
    keys: list[uuid.UUID] = []
    total = 0
    plain = images.select_related(None).only("created_at", "bytes")
    for _number in range(MOST_READS):
        found = newest.read(plain, after, PAGE, are_few=are_few)
        for row in found.rows:
            size = row.bytes or 0
            # One image goes into any zip.
            if len(keys) == most or (keys and total + size > room):
                return Part(keys, total, after)
            keys.append(row.pk)
            total += size
            after = row.created_at, row.pk
        after = found.after
        if after is None:
            break
    return Part(keys, total, after)
