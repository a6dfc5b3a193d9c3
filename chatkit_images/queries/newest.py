"""Images from the newest to the oldest, in reads of which none goes far.

Whatever the images are looked for by, an index need not answer it: one that matches may
be a million images away. So each read looks at the next images only.
"""

from __future__ import annotations

import datetime
import uuid
from typing import NamedTuple

from django.db.models import QuerySet

from .. import keysets, models

Place = tuple[datetime.datetime, uuid.UUID]
# Images that one read looks at.
MOST_READ = 20_000
# Stands behind all images of its time.
LAST = uuid.UUID(int=0)


class Found(NamedTuple):
    """What a read has found.

    Attributes:
        rows: The images, the newest first.
        after: Where to go on; ``None`` if there are no others.
    """

    rows: list[models.GeneratedImage]
    after: Place | None


def read(
    images: QuerySet[models.GeneratedImage],
    after: Place | None,
    limit: int,
    *,
    are_few: bool = False,
) -> Found:
    """Return the next images.

    Args:
        images: Those that match.
        after: Where the read before has ended; ``None`` for the first.
        limit: How many. There may be fewer although others follow.
        are_few: Whether an index finds them, so that it does not matter how far they
            are from each other.
    """
    end = None if are_few else _end_of_read(after)
    if end is not None:
        images = images.filter(created_at__gte=end)
    rows = keysets.page(images, after, "desc", limit, {})
    if len(rows) == limit:
        return Found(rows, (rows[-1].created_at, rows[-1].pk))
    return Found(rows, None if end is None else (end, LAST))


def _end_of_read(after: Place | None) -> datetime.datetime | None:
    """Return the time up to which a read looks; ``None`` if it is all the rest."""
    rows = models.GeneratedImage.objects.all()
    if after is not None:
        created_at, key = after
        # With ``LAST`` it would end where it begins, if thousands have the same time.
        op = "lt" if key == LAST else "lte"
        rows = rows.filter(**{f"created_at__{op}": created_at})
    times = rows.order_by("-created_at").values_list("created_at", flat=True)
    return next(iter(times[MOST_READ : MOST_READ + 1]), None)
