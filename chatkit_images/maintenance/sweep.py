"""The sweep: it ends or deletes what a crash or a person leaves behind.

It does one kind of work after the other, each in pages, and goes on with the next kind
if one cannot be done. A sweep that is cut off is done again from its beginning, and
finds what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

from django.conf import settings as django_settings
from django.db import Error

from .. import models, storage
from ..conf import settings
from ..queries import file_names
from . import left_rows, orphans
from .flush import flushing
from .marker import NotOurFiles, guard, is_ours
from .troubles import Troubles

logger = logging.getLogger(__name__)
Progress = Callable[[str, int], None]


class SweepRefused(Exception):
    """So many files are unknown that the database is probably another one.

    Attributes:
        settled: What the sweep has done.
    """

    def __init__(self, text: str, settled: Settled) -> None:
        super().__init__(text)
        self.settled = settled


class Settled(dict[str, int]):
    """How much of each kind the sweep has ended or deleted, or would.

    Attributes:
        troubles: What it could not do; the next sweep tries again.
        refused: Why it has left the unknown files of storages alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.troubles = Troubles()
        self.refused: list[str] = []


def sweep(
    *, dry_run: bool = False, force: bool = False, progress: Progress | None = None
) -> Settled:
    """End or delete what is left behind, and return how much of each kind there was.

    Args:
        dry_run: Count only.
        force: Delete unknown files even if they are most of all files, and claim a
            storage that has no marker.
        progress: Is called with a kind and how much of it was looked at, now and then.

    Raises:
        SweepRefused: If most files of a storage are unknown. Everything else is done by
            then.
        django.db.Error: If the database does not answer.
    """
    return _Sweep(dry_run, force, progress or (lambda kind, done: None)).work()


class _Sweep:
    def __init__(self, dry_run: bool, force: bool, progress: Progress) -> None:
        self._dry_run, self._force, self._progress = dry_run, force, progress
        self._settled = Settled()
        self._troubles = self._settled.troubles

    def work(self) -> Settled:
        ours, others = self._storages()
        for kind, settle in left_rows.kinds(others).items():
            with self._noting(kind):
                self._settled[kind] = settle(self._dry_run, self._troubles)
            self._progress(kind, self._settled.setdefault(kind, 0))
            if kind == left_rows.BEFORE_THE_SPOOL:
                self._flush()
        # The files of the rows above are deleted by now. Files that could not be
        # deleted are tried again and counted here.
        storage.drain()
        self._delete_noted(others)
        with self._noting("half-written files"):
            self._settled["half-written files"] = self._delete_half_written(ours)
        self._settled |= {"unknown files": 0}
        with storage.Patience() as patience:
            for alias in ours:
                with self._noting(f"unknown files in {alias!r}"):
                    self._delete_unknown(alias, patience)
        if self._troubles:
            logger.warning("The sweep left %s things", self._troubles.total)
        if self._settled.refused:
            raise SweepRefused(" ".join(self._settled.refused), self._settled)
        return self._settled

    @contextmanager
    def _noting(self, kind: str) -> Iterator[None]:
        try:
            yield
        except Error:
            raise  # Without a database nothing else can be done.
        except Exception as error:
            logger.warning("The sweep cannot settle %s: %r", kind, error, exc_info=True)
            self._troubles.append(error)

    def _storages(self) -> tuple[list[str], list[str]]:
        """Return the storages whose files are this database's, and the others."""
        ours, others = [], []
        for alias in file_names.aliases():
            try:
                if alias not in django_settings.STORAGES:
                    raise NotOurFiles(
                        f"Rows name the storage {alias!r}, which is not in STORAGES."
                    )
                if self._dry_run:
                    is_ours(alias)
                else:
                    guard(alias, force=self._force)
                ours.append(alias)
            except NotOurFiles as error:
                logger.warning("Files are left alone: %s", error)
                self._troubles.append(error)
                others.append(alias)
        return ours, others

    def _flush(self) -> None:
        kind, moved = "spooled files", 0
        with self._noting(kind):
            # A dry run does not end dead runs, so it counts their files too.
            if self._dry_run:
                moved = sum(1 for _ in storage.spool.handed_over(aged=True))
            else:
                for batch in flushing(self._troubles):
                    moved += len(batch)
                    self._progress(kind, moved)
        self._settled[kind] = moved

    def _delete_noted(self, others: list[str]) -> None:
        noted = models.DeletedFile.objects.filter(left_rows.not_in(others))
        kind = "deleted files"
        before = noted.due().count()
        if self._dry_run:
            self._settled[kind] = before
            return
        with self._noting(kind):
            noted.delete_files()
        self._settled[kind] = before - noted.due().count()

    def _delete_half_written(self, ours: list[str]) -> int:
        """Delete what killed writes left on this host's disks."""
        count = 0
        local = chain.from_iterable(map(storage.unfinished, ours))
        for path, age in chain(local, storage.spool.unfinished()):
            if age > settings.SWEEP_GRACE_SECONDS:
                count += 1
                try:
                    if not self._dry_run:
                        path.unlink(missing_ok=True)
                except OSError as error:
                    logger.warning("%s cannot be deleted: %r", path, error)
                    self._troubles.append(error)
        return count

    def _delete_unknown(self, alias: str, patience: storage.Patience) -> None:
        adopts = not self._dry_run
        with orphans.find_orphans(self._troubles, alias, adopts=adopts) as found:
            self._settled["recovered images"] += found.adopted
            if self._dry_run:
                self._settled["unknown files"] += found.unknown.count
                return
            if found.are_suspicious and not self._force:
                self._settled.refused.append(
                    f"{found.unknown.count} of {found.listed} files are unknown to "
                    f"this database in the storage {alias!r}."
                )
                return
            for page in found.unknown.pages():
                self._delete(page, alias, patience)
                self._progress("unknown files", self._settled["unknown files"])

    def _delete(self, names: list[str], alias: str, patience: storage.Patience) -> None:
        # Rows may have come since the files were listed.
        waiting = orphans.reserved(names)
        names = [name for name in orphans.unknown(names) if name not in waiting]
        self._settled["unknown files"] += len(names)
        for name, error in storage.delete_all(names, alias, patience).items():
            logger.warning("%s cannot be deleted: %r", name, error)
            self._troubles.append(error)
