"""Retention: what is past its time is deleted, as ``RETENTION`` says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import models, storage
from ..queries import counters, sums
from ..transactions import atomic
from . import due, sizes, threads_retention
from .due import Kind
from .marker import guard_all
from .owners_retention import OwnersRetention

# Rows that are looked at by one statement, and deleted in one transaction at most.
PAGE, BATCH = 1000, 100
# Kinds of images that are kept for what was made from them.
IMAGES = ("FAILED_IMAGES", "SUPERSEDED_IMAGES")
Progress = Callable[[str, int], None]


@dataclass
class Expired:
    """What a retention did with one kind of rows, or would do.

    Attributes:
        rows: How many are deleted.
        bytes: The bytes of their files, as far as rows say.
        held: How many are past their time and kept, as they are held.
        partly: How many threads have lost a part and keep the rest, as a hold came
            meanwhile, or staff opened them again. Their lost bytes are in ``bytes``.
    """

    rows: int = 0
    bytes: int = 0
    held: int = 0
    partly: int = 0


@dataclass
class RetentionReport:
    """What a retention did, or would do.

    Attributes:
        kinds: By the names in ``RETENTION``; those without a time are left out.
        failed_owners: For how many owners the project's ``get_retention()`` has failed.
        dry_run: Whether nothing was deleted.
    """

    kinds: dict[str, Expired] = field(default_factory=dict)
    failed_owners: int = 0
    dry_run: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def apply_retention(
    *, dry_run: bool = False, progress: Progress | None = None
) -> RetentionReport:
    """Delete what is past its time, and return how much of each kind that was.

    It reads each row once, in pages, and deletes in short transactions, each of which
    looks again at what it deletes; a thread of thousands of rows is closed, and goes in
    several. It may be interrupted, and runs beside a live site.
    Files are deleted when their rows are gone. Not for the event loop.

    Args:
        dry_run: Count only, each kind by itself: what is in a thread past its time is
            counted as its own kind, too. What becomes due by the deletion itself is not
            counted: images from which only such were made as are past their time, too.
        progress: Is called with the name of a kind and how many of its rows are past
            their time so far.

    Raises:
        ImproperlyConfigured: If the project's server cannot be made.
        NotOurFiles: If files belong to another database, of which this may be a copy.
        TypeError: If the setting is no retention; a check says so.
        ValueError: Likewise.
    """
    if not dry_run:
        guard_all()
    told = progress or (lambda kind, count: None)
    retention = OwnersRetention()
    report = RetentionReport(dry_run=dry_run)
    for kind in due.KINDS:
        if not retention.applies(kind.name):
            continue
        found = report.kinds[kind.name] = Expired()
        if kind.name == "USE_ENTRIES" and not dry_run:
            # What no sum has yet would be in none.
            sums.fold()
        for keys in _expired(kind, retention, found):
            if dry_run:
                found.bytes += sizes.of_rows(kind.name, keys)
                found.rows += len(keys)
            else:
                _delete_all(kind, keys, retention, found)
            told(kind.name, found.rows)
    report.failed_owners = retention.failed
    return report


def _expired(
    kind: Kind, retention: OwnersRetention, found: Expired
) -> Iterator[list[Any]]:
    """Yield keys of rows past their time, and count those that are held."""
    for page in _pages(kind, retention):
        keys = []
        for key, owner, at, is_held in page:
            limit = retention.limit_of(kind.name, owner)
            if limit is None or at >= limit:
                continue
            if is_held:
                found.held += 1
            else:
                keys.append(key)
        for start in range(0, len(keys), BATCH):
            yield keys[start : start + BATCH]


def _pages(
    kind: Kind, retention: OwnersRetention
) -> Iterator[list[tuple[Any, str, Any, bool]]]:
    rows = kind.candidates()
    if not retention.differs:
        rows = rows.filter(at__lt=retention.common_limit(kind.name))
    rows = rows.order_by("pk").values_list("pk", "its_owner", "at", "is_held")
    page = list(rows[:PAGE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1][0])[:PAGE])


def _delete_all(
    kind: Kind, keys: list[Any], retention: OwnersRetention, found: Expired
) -> None:
    """Delete rows, and then the images from which only they were made."""
    if kind.name == "THREADS":
        for batch, is_large in threads_retention.batches(keys):
            if is_large:
                _delete_large(kind, batch[0], retention, found)
            else:
                _delete(kind, batch, retention, found)
    else:
        while keys:
            freed = _delete(kind, keys[:BATCH], retention, found)
            keys = keys[BATCH:] + freed
    # The names of files wait in memory for their deletion.
    storage.drain()


@atomic()
def _delete(
    kind: Kind, keys: list[Any], retention: OwnersRetention, found: Expired
) -> list[Any]:
    """Delete those of some rows that are past their time still.

    Returns:
        The keys of images that may go now, as what was made from them is gone.
    """
    still = _still(kind, keys, retention)
    found.rows += len(still)
    found.bytes += sizes.of_rows(kind.name, still)
    freed = _sources_of(still) if kind.name in IMAGES else []
    if kind.name == "THREADS":
        threads_retention.bury(still)
    kind.rows().model._default_manager.filter(pk__in=still).delete()
    return freed


def _delete_large(
    kind: Kind, key: str, retention: OwnersRetention, found: Expired
) -> None:
    """Delete a thread of many rows, as much of it as is past its time still."""
    receipt = threads_retention.delete_large(
        key, lambda keys: _still(kind, keys, retention)
    )
    found.bytes += sum(receipt.bytes.values())
    if receipt.rows.get("threads"):
        found.rows += 1
    elif receipt.rows:
        found.partly += 1


def _still(kind: Kind, keys: Collection[Any], retention: OwnersRetention) -> list[Any]:
    """Lock the threads of rows, and return the rows that are past their time still."""
    _lock_owners(kind, keys)
    _lock_threads(kind, keys)
    rows = kind.candidates().filter(pk__in=keys, is_held=False).order_by()
    still = []
    for key, owner, at in rows.values_list("pk", "its_owner", "at"):
        limit = retention.limit_of(kind.name, owner)
        if limit is not None and at < limit:
            still.append(key)
    return still


def _sources_of(keys: list[Any]) -> list[Any]:
    """Return the keys of images from which some were made."""
    edges = models.ImageSource.objects.filter(image__in=keys).order_by()
    edges = edges.exclude(source_image=None)
    return list(edges.values_list("source_image", flat=True).distinct())


def _lock_owners(kind: Kind, keys: Collection[Any]) -> None:
    """Lock the use of owners of rows in no thread: who places a hold waits for it."""
    if kind.owner != "owner" or kind.name == "THREADS":
        return
    rows = kind.rows().model._default_manager.filter(pk__in=keys).order_by()
    if kind.thread:
        rows = rows.filter(**{kind.thread: None})
    # What a deleted owner has used is nobody's.
    counters.lock(set(rows.exclude(owner="").values_list("owner", flat=True)))


def _lock_threads(kind: Kind, keys: Collection[Any]) -> None:
    """Lock the threads of rows first, as all do who write to a thread."""
    if not kind.thread:
        return
    rows = kind.rows().model._default_manager.filter(pk__in=keys).order_by()
    # In two statements: one would lock what it reads on the way, in another order.
    found = set(rows.values_list(kind.thread, flat=True))
    threads = models.Thread.objects.filter(pk__in=found)
    whole = kind.name == "THREADS"
    # No row that points at a thread may be inserted while the thread goes.
    locked = threads.select_for_update() if whole else threads.locked()
    list(locked.order_by("pk").values_list("pk", flat=True))
