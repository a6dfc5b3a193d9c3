"""Archives that come from outside, read within bounds.

Nothing is unpacked. A file is read by the name that a line has for it, if that is the
name of one plain file of the archive, and never more of it than is allowed.
"""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn, Self

from . import format
from .format import LineRefused
from .values import check_depth

# Bytes of a line. A message has two megabytes at most.
MAX_LINE = 16 * 2**20
# Bytes of all lines, however well they are compressed.
MAX_LINES = 16 * 2**30
# Files in an archive, and bytes of its directory, which is read into memory.
MAX_FILES, MAX_DIRECTORY = 2_000_000, 512 * 2**20
# How the entry of a file in the directory begins.
ENTRY = b"PK\x01\x02"
HOWS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, NotImplementedError, ValueError),
)


class ArchiveRefused(Exception):
    """A file is no archive that can be imported."""


class Numbered(NamedTuple):
    """A line of an archive.

    Attributes:
        number: Which, from 1.
        value: Its JSON, or why it has none.
        stop: Where it ends, in bytes.
    """

    number: int
    value: Any | LineRefused
    stop: int


class _File(io.BufferedReader):
    """The file of an archive, of which no large directory is read.

    How large a directory is, and where, an archive says in several places. So what
    counts is what ``zipfile`` reads at last.

    Attributes:
        size: Its bytes.
        is_open: Whether the directory has been read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size
        self.is_open = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.is_open:
            return super().read(size)
        left = self.size - self.tell()
        most = left if size is None or size < 0 else min(size, left)
        if most > MAX_DIRECTORY:
            raise ArchiveRefused(f"The archive has more than {MAX_FILES} files.")
        data = super().read(max(0, most))
        if data.count(ENTRY) > MAX_FILES:
            raise ArchiveRefused(f"The archive has more than {MAX_FILES} files.")
        return data


class ReadArchive:
    """An archive to read.

    Args:
        path: The file.

    Raises:
        ArchiveRefused: If it is no archive of an export, or not a whole one.
        OSError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = _File(path)
        self._bytes = self._file.size
        try:
            self._zip = zipfile.ZipFile(self._file)
        except ArchiveRefused:
            self._file.close()
            raise
        except BROKEN as error:
            self._file.close()
            raise ArchiveRefused(f"{path} is no whole zip archive: {error}") from error
        self._file.is_open = True
        self._names = Counter(info.filename for info in self._zip.infolist())
        try:
            self._lines = self._info(format.LINES)
        except LineRefused as error:
            self.__exit__()
            raise ArchiveRefused(f"{path} is no export: {error}") from error
        self.size = self._lines.file_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()
        self._file.close()

    def lines(self) -> Iterator[Numbered]:
        """Yield the lines.

        Raises:
            ArchiveRefused: If what they are in is damaged or too large.
        """
        try:
            with self._zip.open(self._lines) as entry:
                raw: Any = entry  # A line at a time it reads slowly by itself.
                yield from _lines(io.BufferedReader(raw, 2**16))
        except BROKEN as error:
            raise ArchiveRefused(f"{format.LINES} is damaged: {error}") from error

    def read(self, path: str, most: int) -> bytes:
        """Return the bytes of a file.

        Raises:
            LineRefused: If there is no such file, or more than one, or it is not a
                plain one, has more bytes than are allowed, or is damaged.
        """
        info = self._info(path)
        if info.file_size > most:
            raise LineRefused(f"{path!r} has more than {most} bytes.")
        try:
            with self._zip.open(info) as entry:
                data = entry.read(most + 1)
        except BROKEN as error:
            raise LineRefused(f"{path!r} is damaged: {error}") from None
        if len(data) > most:
            raise LineRefused(f"{path!r} has more than {most} bytes.")
        return data

    def _info(self, path: str) -> zipfile.ZipInfo:
        try:
            info = self._zip.getinfo(path)
        except KeyError:
            raise LineRefused(f"There is no file {path!r} in the archive.") from None
        kind = stat.S_IFMT(info.external_attr >> 16)
        if self._names[path] > 1:
            raise LineRefused(f"There are two files {path!r} in the archive.")
        if info.flag_bits & 1 or info.compress_type not in HOWS:
            raise LineRefused(f"{path!r} is encrypted, or compressed in another way.")
        if not 0 <= info.header_offset < self._bytes:
            raise LineRefused(f"{path!r} is beyond the end of the archive.")
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise LineRefused(f"{path!r} is no plain file.")
        return info


def _lines(file: IO[bytes]) -> Iterator[Numbered]:
    number = stop = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        stop += len(line)
        value: Any
        if len(line) > MAX_LINE:
            value = LineRefused(f"The line has more than {MAX_LINE} bytes.")
            while not line.endswith(b"\n") and (line := file.readline(MAX_LINE)):
                stop += len(line)
                _bound(stop)
        else:
            value = _value(line)
        _bound(stop)
        yield Numbered(number, value, stop)


def _bound(size: int) -> None:
    if size > MAX_LINES:
        raise ArchiveRefused(f"{format.LINES} has more than {MAX_LINES} bytes.")


def _value(line: bytes) -> Any:
    try:
        value = json.loads(line.decode(), parse_constant=_constant)
    except RecursionError:
        return LineRefused("The line is no JSON: too deep.")
    except ValueError as error:
        return LineRefused(f"The line is no JSON: {str(error)[:200]}.")
    try:
        check_depth(value)
    except ValueError as error:
        return LineRefused(f"The line is {error}.")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
