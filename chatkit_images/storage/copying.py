"""Copies of files from one storage to another, compared before anybody relies on them.

Files are copied as they are stored. If a copy gets another name, what the project's
cipher has made is made again, as it may depend on the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import Storage

from ..conf import settings
from . import absence, backend, disk, encryption, readers, s3, s3_objects, spool
from .names import Blob, checked

# Bytes that are in memory of a file that is copied; what is larger waits on the disk.
IN_MEMORY = 16 * 2**20
CHUNK = 2**20


class NotAsExpected(OSError):
    """A file, or its copy, has other bytes than it should."""


@dataclass(frozen=True)
class Copied:
    """A file that was copied.

    Attributes:
        blob: The copy.
        size: Its bytes.
        sha256: The digest of its bytes, as they are stored.
    """

    blob: Blob
    size: int
    sha256: str


def copy(blob: Blob, target: Blob, *, sha256: str = "") -> Copied:
    """Copy a file, and compare the copy with it. Blocks on both storages.

    Args:
        blob: The file. If it is in the spool, it is copied from there.
        target: What becomes the copy. No other file may have this name.
        sha256: What the digest of its bytes must be, before they were encrypted; empty
            if nobody knows.

    Raises:
        FileNotFoundError: If the file is not there.
        NotAsExpected: If it has another digest, or its copy has other bytes.
        Exception: The storages' own.
    """
    with SpooledTemporaryFile[bytes](max_size=IN_MEMORY) as file:
        for part in _parts(blob):
            file.write(part)
        _renew(blob, target, file, sha256)
        size = file.tell()
        file.seek(0)
        plain, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while part := file.read(CHUNK):
            plain.update(part)
            md5.update(part)
        file.seek(0)
        said = _put(target, file, size)
    copied = Copied(target, size, plain.hexdigest())
    # A server's tag may be no digest of the bytes.
    if said != md5.hexdigest() and not _is_there(copied):
        raise NotAsExpected(f"The copy of {blob.name!r} has other bytes.")
    return copied


def _renew(blob: Blob, target: Blob, file: IO[bytes], sha256: str) -> None:
    """Compare what was read, and encrypt it anew if the copy has another name."""
    if settings.FILE_CIPHER is None:
        if sha256 and _digest(file) != sha256:
            raise NotAsExpected(f"{blob.name!r} has other bytes than its row says.")
        file.seek(0, 2)
        return
    file.seek(0)
    data = encryption.decrypt(blob.name, file.read())
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise NotAsExpected(f"{blob.name!r} has other bytes than its row says.")
    if target.name != blob.name:
        file.seek(0)
        file.truncate()
        file.write(encryption.encrypt(target.name, data))


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    found = hashlib.sha256()
    while part := file.read(CHUNK):
        found.update(part)
    return found.hexdigest()


def _parts(blob: Blob) -> Iterator[bytes]:
    """Yield the bytes of a file, as they are stored."""
    waiting = spool.path_of(blob.name)
    try:
        file: IO[bytes] = waiting.open("rb")
    except FileNotFoundError:
        yield from _stored_parts(backend.get_storage(blob.alias), blob.name)
        return
    with file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _stored_parts(storage: Storage, name: str) -> Iterator[bytes]:
    if s3.is_plain(storage):
        # django-storages loads all of it before it gives the first byte.
        with closing(readers.ObjectReader(storage, name)) as reader:
            yield from iter(lambda: reader.read(CHUNK), b"")
        return
    with absence.told(storage.exists, name), storage.open(name, "rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _put(target: Blob, file: IO[bytes], size: int) -> str:
    """Write a copy, and return the MD5 of it if a server says that."""
    storage: Any = backend.get_storage(target.alias)
    name = checked(target.name)
    if size <= IN_MEMORY and s3.is_plain(storage):
        return s3.put(storage, name, file.read())
    if size <= IN_MEMORY:
        backend.put(name, file.read(), target.alias)
    elif backend.is_directory(storage):
        folder_mode = storage.directory_permissions_mode
        path = Path(storage.path(name))
        disk.write(path, file, storage.file_permissions_mode, folder_mode)
    elif s3.is_plain(storage):
        s3_objects.put_file(storage, name, file)
    elif (saved := storage.save(name, File(file))) != name:
        storage.delete(saved)
        raise OSError(f"{type(storage).__name__} saved {name!r} as {saved!r}.")
    return ""


def _is_there(copied: Copied) -> bool:
    storage = backend.get_storage(copied.blob.alias)
    found, size = hashlib.sha256(), 0
    for part in _stored_parts(storage, copied.blob.name):
        found.update(part)
        size += len(part)
    return (size, found.hexdigest()) == (copied.size, copied.sha256)
