"""Files, read from the spool or the storage, wherever they are."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import IO

from ..conf import settings
from . import absence, backend, encryption, spool


def open_file(name: str, alias: str | None = None) -> IO[bytes]:
    """Return an open file.

    Args:
        name: Its name.
        alias: The storage that has it. Default: the one to which new files go.

    Raises:
        FileNotFoundError: If there is no such file.
        Exception: The storage's own, if it does not answer, or the cipher's, if it
            cannot decrypt the file.
    """
    if settings.FILE_CIPHER is None:
        with absence.told(partial(exists, alias=alias), name):
            return _stored(name, alias)
    return BytesIO(read(name, alias))


def read(name: str, alias: str | None = None) -> bytes:
    """Return the bytes of a file; the arguments are those of ``open_file``.

    Raises:
        FileNotFoundError: If there is no such file.
        Exception: The storage's own, if it does not answer, or the cipher's, if it
            cannot decrypt the file.
    """
    parts = []
    # Some storages begin to read, and find nothing, when they are asked for bytes.
    with absence.told(partial(exists, alias=alias), name), _stored(name, alias) as file:
        # A file of the project's own may give less than all at once.
        while part := file.read():
            if not isinstance(part, bytes):
                raise OSError(
                    f"The storage opened {name!r} as {type(part).__name__}, not bytes."
                )
            parts.append(part)
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    try:
        return encryption.decrypt(name, data)
    except FileNotFoundError as error:
        # The file is there. Nobody may think that it is gone.
        raise OSError(f"{name!r} cannot be decrypted: {error}") from error


def _stored(name: str, alias: str | None) -> IO[bytes]:
    try:
        return spool.path_of(name).open("rb")
    except FileNotFoundError:
        return backend.get_storage(alias).open(name, "rb")


def exists(name: str, alias: str | None = None) -> bool:
    """Whether there is such a file."""
    return spool.has(name) or backend.get_storage(alias).exists(name)


def delete(name: str, alias: str | None = None) -> None:
    """Delete a file, if it is there."""
    spool.drop(name)
    storage = backend.get_storage(alias)
    with suppress(FileNotFoundError), absence.told(storage.exists, name):
        storage.delete(name)
