"""The move of files from one storage to another, row by row, beside a live site.

A row's files are copied, compared, and then its row names the other storage, in one
statement that changes nothing if the row has changed meanwhile. So whoever reads finds
the files where the row says, before and after. The old copies stay for a while, for
those who have read the row before; the sweep deletes them when they are due.

A move that is interrupted goes on where it was. What was copied and is named by no row
is deleted by the sweep, as any unknown file.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from django.core.files.storage import storages
from django.db.models import Q, QuerySet
from django.utils import timezone

from .. import models, storage
from ..conf import settings
from ..contexts import carried
from ..deleted_files import file_columns
from ..models.files import WithStorage
from ..queries import endings
from ..storage import copying
from ..transactions import atomic
from . import marker
from .moves import KEPT_PROBLEMS, Move, MoveRefused

GENERATING = models.GeneratedImage.Status.GENERATING
SETTLED = models.GeneratedImage.SETTLED
# What was copied of a row, by column.
Copies = dict[str, copying.Copied]
logger = logging.getLogger(__name__)
# Rows that are read at a time, and whose files are copied before the next are read.
PAGE = 200
# Rows for each thread whose copies are begun before their rows name them. If the move
# is killed, these copies are all that it leaves.
AHEAD = 2
# Seconds for which a reader may still have the row of before, beside its URLs.
READERS = 600
# Times that the rows are gone through: some change while their files are copied.
PASSES = 5


def move_storage(
    source: str,
    target: str,
    *,
    threads: int = 8,
    dry_run: bool = False,
    progress: Callable[[Move], object] | None = None,
) -> Move:
    """Move the files of all rows from one storage to another.

    Set ``STORAGE`` to the target before, so that new files go there. It may be
    interrupted and repeated. Not for the event loop.

    Args:
        source: The alias in ``STORAGES`` of the storage that has them.
        target: The alias of the storage that gets them.
        threads: How many rows are copied at once.
        dry_run: Count the rows only.
        progress: Is called after each page of rows.

    Raises:
        MoveRefused: If there is no such storage, or both are the same.
        NotOurFiles: If the files in one of them are another database's.
    """
    _check(source, target, threads)
    if not dry_run:
        marker.guard(source)
        marker.guard(target)
    move = Move()
    with ThreadPoolExecutor(threads, "chatkit-images-move") as pool:
        for _ in range(1 if dry_run else PASSES):
            before = move.rows.total()
            move.failed, move.problems = 0, []
            for page in _pages(source):
                if dry_run:
                    move.rows[type(page[0]).__name__] += len(page)
                else:
                    _move_page(page, target, pool, threads, move)
                if progress is not None:
                    progress(move)
            if move.rows.total() == before:
                break
    move.busy = _in(models.GeneratedImage, source).filter(status=GENERATING).count()
    return move


def _check(source: str, target: str, threads: int) -> None:
    for alias in (source, target):
        if alias not in storages.backends:
            raise MoveRefused(f"STORAGES has no {alias!r}.")
    if source == target or storages[source] == storages[target]:
        raise MoveRefused(f"{source!r} and {target!r} are the same storage.")
    if threads < 1:
        raise MoveRefused("A move needs at least one thread.")


def _in(model: Any, alias: str) -> QuerySet[Any]:
    """Return the rows whose files are in a storage."""
    said = Q(storage_alias=alias)
    if alias == storage.whereabouts.alias_of(""):
        said |= Q(storage_alias="")
    rows: QuerySet[Any] = model._default_manager.filter(said).order_by("pk")
    return rows


def _pages(alias: str) -> Iterator[list[WithStorage]]:
    """Yield rows that nothing writes files of any more, a page of a model at a time."""
    for model in file_columns():
        rows = _in(model, alias)
        if model is models.GeneratedImage:
            rows = rows.exclude(status=GENERATING)
        elif model is models.PartialImage:
            # It may become the image's file at any moment.
            rows = rows.exclude(image__status=GENERATING)
        page = list(rows[:PAGE])
        while page:
            yield page
            page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])


def _move_page(
    page: list[WithStorage],
    target: str,
    pool: ThreadPoolExecutor,
    threads: int,
    move: Move,
) -> None:
    rows = iter(_recovered(page, move))
    copy = carried(_copy)
    started: dict[Future[Copies], WithStorage] = {}

    def begin(count: int) -> None:
        started.update(
            (pool.submit(copy, row, target), row) for row in islice(rows, count)
        )

    begin(AHEAD * threads)
    while started:
        for future in wait(started, return_when=FIRST_COMPLETED).done:
            row = started.pop(future)
            try:
                copies = future.result()
                if _name(row, target, copies):
                    move.rows[type(row).__name__] += 1
                    move.files += len(copies)
                    move.bytes += sum(copied.size for copied in copies.values())
            except Exception as error:
                _note(move, row, error)
            begin(1)


def _recovered(page: list[WithStorage], move: Move) -> list[WithStorage]:
    """Return rows, with images whose bytes came after all completed.

    Their bytes are where their rows say now, and nobody would look there any more.
    """
    lost = [row.pk for row in page if isinstance(row, models.GeneratedImage)]
    images = models.GeneratedImage.objects.filter(pk__in=lost)
    errors: list[Exception] = []
    recovered = endings.recover_all(images.exclude(status__in=SETTLED), errors)
    for error in errors:
        _note(move, None, error)
    return list(images.order_by("pk")) if recovered else page


def _note(move: Move, row: WithStorage | None, error: Exception) -> None:
    what = "An image" if row is None else f"{type(row).__name__} {row.pk}"
    logger.warning("%s is not moved: %r", what, error)
    move.failed += 1
    if len(move.problems) < KEPT_PROBLEMS:
        move.problems.append(f"{what}: {error!r}")


def _copy(row: WithStorage, target: str) -> Copies:
    """Copy the files of a row; what was copied before a failure is deleted again.

    Each copy has a name of its own. Whoever is about to delete a file, by a note of
    before or as one that no row knows, can never meet a copy.
    """
    copies: Copies = {}
    try:
        for column in file_columns()[type(row)]:
            name = str(getattr(row, column) or "")
            if not name:
                continue
            digest = getattr(row, "sha256", "") if column == "file" else ""
            blob = storage.Blob(name, row.storage_alias)
            new = storage.Blob(storage.renamed(name), target)
            copies[column] = copying.copy(blob, new, sha256=digest)
    except BaseException:
        for copied in copies.values():
            _drop(copied.blob)
        raise
    return copies


def _drop(blob: storage.Blob) -> None:
    try:
        storage.delete(*blob)
    except Exception as error:
        logger.warning("%s is left to the sweep: %r", blob.name, error)


@atomic()
def _name(row: WithStorage, target: str, copies: Copies) -> bool:
    """Have a row name its copies, unless it has changed; then these are deleted."""
    rows = type(row)._default_manager.filter(pk=row.pk)
    same = {column: getattr(row, column).name for column in file_columns()[type(row)]}
    now = {column: copied.blob.name for column, copied in copies.items()}
    found = rows.filter(storage_alias=row.storage_alias, **same)
    if not found.update(storage_alias=target, **now):
        models.DeletedFile.objects.schedule(each.blob for each in copies.values())
        return False
    # URLs of a storage's own may be valid for longer than those of the app.
    expire = getattr(storage.get_storage(row.stored_in), "querystring_expire", 0)
    lives = max(settings.URL_MAX_AGE, expire) + settings.URL_WINDOW
    due = timezone.now() + datetime.timedelta(seconds=lives + READERS)
    models.DeletedFile.objects.bulk_create(
        models.DeletedFile(
            name=same[column],
            storage_alias=row.stored_in,
            moved_to=copied.blob.name,
            due_at=due,
        )
        for column, copied in copies.items()
    )
    return True
