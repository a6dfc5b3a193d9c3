"""The marker of a storage: a small file beside the others that says whose they are.

Each tenant's folder has its own. Its name has not the form of a stored file's, so it is
never taken for one.
"""

from __future__ import annotations

from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from . import absence, backend, disk, s3
from .names import folder

# More is no marker, and is not held in memory.
MOST_BYTES = 10_000


def name() -> str:
    """Return the name of the marker, in the folder of this tenant."""
    return f"{folder()}/installation.json"


def read(alias: str) -> bytes | None:
    """Return what the marker says, at most ``MOST_BYTES`` of it; ``None`` if none.

    Raises:
        Exception: The storage's own.
    """
    stored = backend.get_storage(alias)
    try:
        with absence.told(stored.exists, name()), stored.open(name(), "rb") as file:
            return bytes(file.read(MOST_BYTES))
    except FileNotFoundError:
        return None


def create(data: bytes, alias: str) -> None:
    """Write the marker unless there is one.

    If two processes do so at once, one of them wins; which one, ``read`` tells.

    Raises:
        Exception: The storage's own.
    """
    stored = backend.get_storage(alias)
    if backend.is_directory(stored):
        _write(stored, data, replaces=False)
    elif s3.is_plain(stored):
        s3.put(stored, name(), data)
    elif not stored.exists(name()):
        _save(stored, data)


def replace(data: bytes, alias: str) -> None:
    """Write the marker, in place of the one that may be there.

    A directory and S3 show the old one or the new one at any moment.

    Raises:
        Exception: The storage's own.
    """
    stored = backend.get_storage(alias)
    if backend.is_directory(stored):
        _write(stored, data, replaces=True)
    elif s3.is_plain(stored):
        s3.put(stored, name(), data, replaces=True)
    else:
        stored.delete(name())
        _save(stored, data)


def _write(stored: Storage, data: bytes, *, replaces: bool) -> None:
    write = disk.replace if replaces else disk.write
    write(
        Path(stored.path(name())),
        data,
        getattr(stored, "file_permissions_mode", None),
        getattr(stored, "directory_permissions_mode", None),
    )


def _save(stored: Storage, data: bytes) -> None:
    saved = stored.save(name(), ContentFile(data))
    if saved != name():
        # Another process was first, or the storage gives names of its own.
        stored.delete(saved)
