"""The bytes of rows, read for an export: what cannot be read is noted, and left out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from .. import models, storage

logger = logging.getLogger(__name__)
# A storage that is silent about so many files would be so for days about all.
IN_A_ROW = 10
Row = models.GeneratedImage | models.Attachment


@dataclass(frozen=True)
class Problem:
    """A file that an export lacks, or that is not what its row says.

    Attributes:
        kind: ``"image"`` or ``"attachment"``.
        key: The id of the row.
        problem: ``"missing"``, ``"unreadable"`` or ``"changed"``.
        error: What the storage has raised, in words; else empty.
    """

    kind: str
    key: str
    problem: str
    error: str = ""

    def __str__(self) -> str:
        why = f": {self.error}" if self.error else ""
        return f"{self.problem} {self.kind} {self.key}{why}"


class Files:
    """Reads files of rows, each within the time that a storage has.

    Args:
        note: Is called with each problem.
    """

    def __init__(self, note: Callable[[Problem], None]) -> None:
        self._note = note
        self._patience = storage.Patience()
        self._silent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._patience.__exit__(*error)

    def read(self, row: Row) -> bytes | None:
        """Return the bytes of a row's file, ``None`` if it has none that can be read.

        A row whose file is replaced meanwhile is read again.
        """
        if not row.file:
            return None
        try:
            return self._read(row)
        except FileNotFoundError:
            pass
        except Exception as error:
            self._note(_problem(row, "unreadable", error))
            return None
        before = row.file.name
        if not type(row)._default_manager.filter(pk=row.pk).exists():
            return None  # It was deleted meanwhile.
        row.refresh_from_db()
        if row.file and row.file.name != before:
            return self.read(row)
        self._note(_problem(row, "missing"))
        return None

    def _read(self, row: Row) -> bytes:
        name = str(row.file.name)
        if not storage.is_named(name):
            raise FileNotFoundError(name)
        if self._silent >= IN_A_ROW and not storage.spool.has(name):
            raise TimeoutError("The storage is silent, it was not asked any more.")
        try:
            data = self._patience.call(storage.read, name, row.stored_in)
        except TimeoutError:
            self._silent += 1
            raise
        self._silent = 0
        said = row.sha256
        if said and hashlib.sha256(data).hexdigest() != said:
            self._note(_problem(row, "changed"))
        return data


def _problem(row: Row, problem: str, error: Any = None) -> Problem:
    if isinstance(row, models.GeneratedImage):
        kind, key = "image", row.image_id
    else:
        kind, key = "attachment", row.pk
    words = "" if error is None else f"{type(error).__name__}: {error}"[:500]
    found = Problem(kind, str(key), problem, words)
    logger.warning("An export lacks a file: %s", found)
    return found
