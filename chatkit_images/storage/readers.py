"""Stored files that are read piece by piece, so that none is held whole in memory."""

from __future__ import annotations

import os
import tempfile
from io import BytesIO
from typing import IO, Any, Protocol

from ..conf import settings
from . import backend, reading, s3, s3_objects, spool
from .names import checked

# Bytes of a file that is no more than a piece of another one.
PIECE = 128 * 2**10


class Reader(Protocol):
    """A stored file from some byte on. Not for the event loop; one thread at a time.

    Attributes:
        size: How many bytes the whole file has, whatever its row says.
    """

    size: int

    def read(self, most: int) -> bytes:
        """Return the next bytes, so many at most; none at the end.

        Raises:
            Exception: The storage's own.
        """

    def seek(self, position: int) -> None:
        """Go on from a byte; nothing is read before the next ``read``."""

    def close(self) -> None:
        """Let go of the file. It may be called again, in any thread."""


def is_elsewhere(name: str, alias: str | None = None) -> bool:
    """Whether to open a file may take a request, or its decryption."""
    return settings.FILE_CIPHER is not None or not (
        spool.has(name) or backend.is_local(alias)
    )


def open_reader(name: str, alias: str | None = None) -> Reader:
    """Return a file to read piece by piece.

    A file of the spool, of a directory, or of S3 without additions is read as it is
    sent. Any other is read whole first: an encrypted one stays in memory, because no
    disk may have it, and another one goes to a temporary file.

    Args:
        name: Its name.
        alias: The storage that has it. Default: the one to which new files go.

    Raises:
        FileNotFoundError: If there is no such file.
        Exception: The storage's own, if it does not answer, or the cipher's, if it
            cannot decrypt the file.
    """
    if settings.FILE_CIPHER is not None:
        data = reading.read(name, alias)
        return FileReader(BytesIO(data), len(data))
    if (file := _on_disk(name, alias)) is not None:
        return FileReader(file, os.fstat(file.fileno()).st_size)
    storage = backend.get_storage(alias)
    if s3.is_plain(storage):
        return ObjectReader(storage, name)
    # What a project's files can do besides ``read()`` is not known.
    data = reading.read(name, alias)
    if len(data) <= PIECE:
        return FileReader(BytesIO(data), len(data))
    copy = tempfile.TemporaryFile(prefix="chatkit-images-")  # noqa: SIM115
    copy.write(data)
    copy.seek(0)
    return FileReader(copy, len(data))


def stored_size(name: str, alias: str | None = None) -> int | None:
    """Return how many bytes a file has; ``None`` if it would have to be read for that.

    So it is with an encrypted one, and with a storage of which nothing is known: these
    are asked whether the file is there. It takes one request at most.

    Args:
        name: Its name.
        alias: The storage that has it. Default: the one to which new files go.

    Raises:
        FileNotFoundError: If there is no such file.
        Exception: The storage's own, if it does not answer.
    """
    if settings.FILE_CIPHER is None:
        if (file := _on_disk(name, alias)) is not None:
            with file:
                return os.fstat(file.fileno()).st_size
        storage = backend.get_storage(alias)
        if s3.is_plain(storage):
            return s3_objects.size_of(storage, name)
    if not reading.exists(name, alias):
        raise FileNotFoundError(name)
    return None


def path_on_disk(name: str, alias: str | None = None) -> str | None:
    """Return where a storage's directory has a file; ``None`` if it is none.

    The spool does not count, and nobody says that the file is there.
    """
    storage = backend.get_storage(alias)
    return storage.path(checked(name)) if backend.is_directory(storage) else None


def is_object(alias: str | None = None) -> bool:
    """Whether a storage's files are objects of S3, without additions."""
    return s3.is_plain(backend.get_storage(alias))


def _on_disk(name: str, alias: str | None) -> IO[bytes] | None:
    try:
        return spool.path_of(name).open("rb")
    except FileNotFoundError:
        path = path_on_disk(name, alias)
        return None if path is None else open(path, "rb")  # noqa: SIM115


class FileReader:
    """A file of this host."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self.size = file, size

    def read(self, most: int) -> bytes:
        return self._file.read(most)

    def seek(self, position: int) -> None:
        self._file.seek(position)

    def close(self) -> None:
        self._file.close()


class ObjectReader:
    """An object of S3.

    A slow client keeps its connection to S3 waiting. If the server ends it meanwhile,
    the next piece is asked for anew.
    """

    def __init__(self, storage: Any, name: str) -> None:
        self._storage, self._name, self._position = storage, name, 0
        # The beginning is what most clients want: it comes with the size.
        answer = self._get()
        self.size = int(answer["ContentLength"])
        self._body: Any = answer["Body"]

    def read(self, most: int) -> bytes:
        most = min(most, self.size - self._position)
        if most <= 0:
            return b""
        if self._body is not None:
            try:
                if found := self._body.read(most):
                    self._position += len(found)
                    return bytes(found)
            except Exception:
                # The server, or what is between, has not waited for the client.
                found = b""
            self.close()
        answer = self._get(Range=f"bytes={self._position}-{self.size - 1}")
        if not str(answer.get("ContentRange", "")).startswith(
            f"bytes {self._position}-"
        ):
            answer["Body"].close()
            raise OSError(f"The storage sends no part of {self._name!r}.")
        self._body = answer["Body"]
        found = bytes(self._body.read(most))
        self._position += len(found)
        return found

    def seek(self, position: int) -> None:
        if position != self._position:
            self._position = position
            self.close()

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _get(self, **request: str) -> Any:
        where = s3_objects.to_read(self._storage, self._name)
        client = self._storage.connection.meta.client
        with s3_objects.telling_absence(self._name):
            return client.get_object(**where, **request)
