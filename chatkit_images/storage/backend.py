"""The project's storage: one way to write and to list for storages of all kinds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeGuard

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from ..conf import settings
from . import absence, disk, encryption, overrides, s3, whereabouts
from .names import checked, folder, is_own, key_of, may_have_own
from .patience import Patience

logger = logging.getLogger(__name__)


def current_alias() -> str:
    """Return the alias of the storage to which new files go."""
    return settings.STORAGE


def get_storage(alias: str | None = None) -> Storage:
    """Return a storage of images and attachments.

    Args:
        alias: Its alias in ``STORAGES``, or what a row says, which is empty in rows of
            before. Default: the one to which new files go.

    Raises:
        InvalidStorageError: If ``STORAGES`` has none of that alias.
    """
    return storages[whereabouts.alias_of(alias)]


def is_local(alias: str | None = None) -> bool:
    """Whether a storage is a directory of this host, which takes files whole."""
    return is_directory(get_storage(alias))


def put(name: str, data: bytes, alias: str | None = None) -> None:
    """Write a file once; it appears whole or not at all, and replaces none.

    Raises:
        Exception: The storage's own.
    """
    storage = get_storage(alias)
    if is_directory(storage):
        # FileSystemStorage writes in place: a kill would leave a cut file.
        path = Path(storage.path(checked(name)))
        return disk.write(
            path,
            data,
            storage.file_permissions_mode,
            storage.directory_permissions_mode,
        )
    if s3.is_plain(storage):
        s3.put(storage, checked(name), data)
        return
    saved = storage.save(checked(name), ContentFile(data))
    if saved == name:
        return
    # Either the name is taken and this is a copy, or the storage gives names of its
    # own, which no row would have.
    _delete_copy(storage, name, saved)
    if storage.exists(name):
        if _holds(storage, name, data):
            return  # An earlier try succeeded although it raised.
        # An earlier try failed halfway, because of a full disk or a kill.
        storage.delete(name)
        saved = storage.save(name, ContentFile(data))
        if saved == name:
            return
        _delete_copy(storage, name, saved)
    raise OSError(
        f"{type(storage).__name__} saved {name!r} as {saved!r}; it must keep names."
    )


def listing(
    errors: list[Exception] | None = None, alias: str | None = None
) -> Iterator[tuple[str, float]]:
    """Yield name and age in seconds of every file of this tenant in the storage.

    A file whose age is not to be had counts as new.

    Args:
        errors: Gets what the storage raises when it is asked for the age of a file.
        alias: Which storage. Default: the one to which new files go.
    """
    for name, age, _ in sized_listing(errors, alias):
        yield name, age


def sized_listing(
    errors: list[Exception] | None = None, alias: str | None = None
) -> Iterator[tuple[str, float, int | None]]:
    """Do as ``listing`` does, with the bytes of each file as it is stored.

    They are ``None`` where the storage would have to be asked about each file.
    """
    storage = get_storage(alias)
    errors = [] if errors is None else errors
    found: Iterator[tuple[str, float, int | None]]
    if s3.is_plain(storage):
        # S3 lists files with their dates; otherwise each date would take a request.
        found = s3.listing(storage, folder())
    elif is_directory(storage):
        found = disk.listing(Path(storage.path("")), folder(), may_have_own)
    else:
        found = ((name, at, None) for name, at in _dated(storage, errors))
    for name, modified, size in found:
        if is_own(name):
            yield name, time.time() - modified, size


def listed_names(alias: str | None = None) -> Iterator[str]:
    """Yield the name of every file of this tenant in a storage, without its age.

    Args:
        alias: Which storage. Default: the one to which new files go.
    """
    storage = get_storage(alias)
    is_s3 = s3.is_plain(storage)
    dated = s3.listing(storage, folder()) if is_s3 else ()
    walked = () if is_s3 else _walk(storage.listdir, folder())
    for name in chain((name for name, *_ in dated), walked):
        if is_own(name):
            yield name


def unfinished(alias: str | None = None) -> Iterator[tuple[Path, float]]:
    """Yield path and age in seconds of what a killed write left on a local storage."""
    storage = get_storage(alias)
    if is_directory(storage):
        yield from disk.unfinished(Path(storage.path(folder())))


def is_directory(storage: Storage) -> TypeGuard[FileSystemStorage]:
    """Whether a storage is Django's, and does nothing of its own."""
    return type(storage) is FileSystemStorage and overrides.does_as(
        storage, FileSystemStorage
    )


def _holds(storage: Storage, name: str, data: bytes) -> bool:
    """Whether a file has these bytes and no others.

    What cannot be read has none. The size that a storage tells may be another one, for
    example that of what it has encrypted.
    """
    try:
        with storage.open(name, "rb") as file:
            found = file.read()
        # Encrypted twice, the same bytes are others.
        return found == data or (
            settings.FILE_CIPHER is not None
            and encryption.decrypt(name, found) == encryption.decrypt(name, data)
        )
    except Exception as error:
        logger.warning("%s is written again, it cannot be read: %r", name, error)
        return False


def _delete_copy(storage: Storage, name: str, saved: str) -> None:
    """Delete what a storage has saved under another name, if it can only be a copy."""
    key = key_of(name)
    if isinstance(saved, str) and saved != name and key and key in saved:
        storage.delete(saved)


def _dated(storage: Storage, errors: list[Exception]) -> Iterator[tuple[str, float]]:
    with Patience() as patience:

        def listdir(path: str) -> tuple[list[str], list[str]]:
            return patience.call(storage.listdir, path)

        def modified_at(name: str) -> float:
            with absence.told(storage.exists, name):
                return storage.get_modified_time(name).timestamp()

        for name in _walk(listdir, folder()):
            if not is_own(name):
                continue
            try:
                modified = patience.call(modified_at, name)
            except FileNotFoundError:
                continue  # It was deleted meanwhile.
            except NotImplementedError:
                raise  # It is so for each file.
            except Exception as error:
                logger.warning("The age of %s is unknown: %r", name, error)
                errors.append(error)
                modified = time.time()
            yield name, modified


def _walk(listdir: Callable[[str], Any], path: str) -> Iterator[str]:
    try:
        folders, files = listdir(path)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{path}/{name}"
    for name in folders:
        if may_have_own(name):
            yield from _walk(listdir, f"{path}/{name}")
