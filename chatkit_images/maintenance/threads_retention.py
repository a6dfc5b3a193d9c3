"""Threads past their time: small ones together, a large one in slices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from django.db.models import Count

from .. import models
from ..queries import pages
from .receipts import Receipt
from .slices import Lock, Slices

# Rows of threads in one transaction. A thread that has more goes alone, in slices.
MOST_ROWS = 2000
# What is counted, by the path to the thread.
COUNTED = (
    (models.ThreadItem, "thread"),
    (models.GeneratedImage, "thread"),
    (models.PartialImage, "image__thread"),
    (models.Attachment, "thread"),
    (models.Run, "thread"),
    (models.Feedback, "thread"),
)


def batches(keys: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Yield threads that may go together, and whether it is a large one alone."""
    rows = _rows_of(keys)
    batch: list[str] = []
    for key in keys:
        if rows[key] > MOST_ROWS:
            yield [key], True
        elif batch and sum(rows[each] for each in batch) + rows[key] > MOST_ROWS:
            yield batch, False
            batch = [key]
        else:
            batch.append(key)
    if batch:
        yield batch, False


def _rows_of(keys: list[str]) -> Counter[str]:
    """Return how many rows some threads have, themselves included."""
    found = Counter(keys)
    for model, path in COUNTED:
        rows = model._default_manager.filter(**{f"{path}__in": keys}).order_by()
        found.update(dict(rows.values_list(path).annotate(Count("pk"))))
    return found


def delete_large(key: str, still: Lock) -> Receipt:
    """Delete a thread in slices, each in a transaction of its own.

    Nobody writes into what has lost a part: the first slice closes the thread. If it is
    interrupted, the thread stays past its time, and the next job goes on with it.

    Args:
        key: Its id.
        still: Locks threads, and returns those that are past their time still.

    Returns:
        What has gone. If the thread is not among it, the rest has to stay.
    """

    def lock(keys: Collection[str]) -> list[str]:
        found = still(keys)
        rows = models.Thread.objects.filter(pk__in=found)
        closed = models.Thread.Status.CLOSED
        # By an update, which leaves the time of the last activity as it is.
        rows.exclude(status=closed).update(status=closed)
        return found

    receipt = Receipt("", "")
    slices = Slices(receipt, lambda what, count: None)
    slices.delete_threads([key], lock=lock, bury=bury)
    return receipt


def bury(keys: list[str]) -> None:
    """Note where threads stood, so that lists of threads can go on behind them."""
    rows = models.Thread.objects.filter(pk__in=keys).order_by()
    stood = defaultdict(list)
    for owner, key, created_at in rows.values_list("owner", "pk", "created_at"):
        stood[owner].append((key, key, created_at))
    for owner, positions in stood.items():
        pages.bury(owner, positions)
