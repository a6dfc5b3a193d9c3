"""The bytes of rows, read for an export: what cannot be read is noted, and left out."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, ParamSpec, Self, TypeVar, cast

from .. import models, storage
from ..conf import settings
from .archive import IN_MEMORY, PIECE

logger = logging.getLogger(__name__)
# A storage that is silent about so many files would be so for days about all.
IN_A_ROW = 10
Row = models.GeneratedImage | models.Attachment
P = ParamSpec("P")
T = TypeVar("T")


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
        return self._tried(row, self._read)

    def copy(self, row: Row) -> IO[bytes] | None:
        """Return the same as a file, which is no more in memory than it need be.

        The caller closes it.
        """
        return self._tried(row, self._copy)

    def _tried(self, row: Row, read: Callable[[Row], T]) -> T | None:
        if not row.file:
            return None
        try:
            return read(row)
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
            return self._tried(row, read)
        self._note(_problem(row, "missing"))
        return None

    def _read(self, row: Row) -> bytes:
        data = self._call(storage.read, self._name(row), row.stored_in)
        self._compare(row, hashlib.sha256(data))
        return data

    def _copy(self, row: Row) -> IO[bytes]:
        """Read a file piece by piece: all of it, before any of it is written on."""
        reader = self._call(storage.open_reader, self._name(row), row.stored_in)
        copy: Any = BytesIO()
        # No disk may have what is encrypted in the storage. Such files are small.
        if settings.FILE_CIPHER is None:
            copy = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by the caller
        digest = hashlib.sha256()
        try:
            while part := self._call(reader.read, PIECE):
                digest.update(part)
                copy.write(part)
        except TimeoutError:
            copy.close()  # Who closed the reader would wait for the call.
            raise
        except BaseException:
            copy.close()
            reader.close()
            raise
        reader.close()
        self._compare(row, digest)
        return cast("IO[bytes]", copy)

    def _name(self, row: Row) -> str:
        name = str(row.file.name)
        if not storage.is_named(name):
            raise FileNotFoundError(name)
        if self._silent >= IN_A_ROW and not storage.spool.has(name):
            raise TimeoutError("The storage is silent, it was not asked any more.")
        return name

    def _call(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the storage."""
        try:
            found = self._patience.call(func, *args, **kwargs)
        except TimeoutError:
            self._silent += 1
            raise
        self._silent = 0
        return found

    def _compare(self, row: Row, digest: Any) -> None:
        if row.sha256 and digest.hexdigest() != row.sha256:
            self._note(_problem(row, "changed"))


def _problem(row: Row, problem: str, error: Any = None) -> Problem:
    if isinstance(row, models.GeneratedImage):
        kind, key = "image", row.image_id
    else:
        kind, key = "attachment", row.pk
    words = "" if error is None else f"{type(error).__name__}: {error}"[:500]
    found = Problem(kind, str(key), problem, words)
    logger.warning("An export lacks a file: %s", found)
    return found
