"""Bytes in and out of the project's storage, off the event loop.

Names are random and ours, files appear whole or not at all, and bytes that the
storage would not take wait in the spool.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils.deconstruct import deconstructible

from .conf import settings
from .exceptions import StorageUnavailable

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

PREFIX = "chatkit_images"
# A storage such as S3 accepts ".." in a name; only names of this form are used.
NAME = re.compile(rf"{PREFIX}/[a-z]+/[0-9a-f]{{2}}/[0-9a-f]{{32}}\.[a-z0-9]{{1,5}}")

_flushing = threading.Lock()


def get_storage() -> Storage:
    """Return the storage of pictures and attachments."""
    return storages[settings.STORAGE]


def new_name(kind: str, extension: str) -> str:
    """Return a name that no other file has. Nothing of a client's is in it."""
    key = secrets.token_hex(16)
    return f"{PREFIX}/{kind}/{key[:2]}/{key}.{extension}"


@cache
def executor() -> ThreadPoolExecutor:
    """Return the threads that talk to the storage, made at the first use.

    They live as long as the process: a boto3 session per thread is dear.
    """
    return ThreadPoolExecutor(settings.STORAGE_THREADS, "chatkit-images-storage")


async def run(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a blocking function returns, called in a storage thread."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(executor(), lambda: func(*args, **kwargs))


@cache
def _background() -> ThreadPoolExecutor:
    # One thread apart from the others: however much there is to delete, the bytes
    # that somebody waits for do not queue behind it.
    return ThreadPoolExecutor(1, "chatkit-images-background")


def later(func: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function in the background, after what was given before it.

    Nobody waits for it: it must handle its own errors, and what it would do must
    be found again if the process dies.
    """
    try:
        _background().submit(func, *args, **kwargs)
    except RuntimeError as error:
        # The process is ending. What was not begun is found again.
        logger.warning("Left for the next process: %r", error)


def drain() -> None:
    """Wait until what was given to ``later()`` is done. For tests and scripts."""
    _background().submit(lambda: None).result()


def store(name: str, data: bytes) -> None:
    """Write bytes under a new name, in the spool if the storage refuses them.

    A write that gets through moves one file of the spool along, in the background.

    Raises:
        StorageUnavailable: If the spool refuses them too.
    """
    try:
        _retry(name, data)
    except Exception as error:
        logger.warning("The storage refused %s, spooling it: %r", name, error)
        try:
            _write_file(settings.SPOOL_DIR / _checked(name), data)
        except OSError as spool_error:
            raise StorageUnavailable(
                f"Neither storage {settings.STORAGE!r} nor the spool took {name!r}."
            ) from spool_error
    else:
        waits = (settings.SPOOL_DIR / PREFIX).is_dir()
        if waits and _flushing.acquire(blocking=False):
            later(_flush_one)


def open_file(name: str) -> IO[bytes]:
    """Return an open file, from the spool if it waits there.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        return (settings.SPOOL_DIR / _checked(name)).open("rb")
    except FileNotFoundError:
        return get_storage().open(name, "rb")


def read(name: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    with open_file(name) as file:
        return file.read()


def delete(name: str) -> None:
    """Delete a file; one that is not there is fine."""
    (settings.SPOOL_DIR / _checked(name)).unlink(missing_ok=True)
    get_storage().delete(name)


def is_spooled(name: str) -> bool:
    """Whether a file waits in the spool."""
    return (settings.SPOOL_DIR / _checked(name)).exists()


def spooled() -> Iterator[str]:
    """Yield the names of the files in the spool, oldest first."""
    root = settings.SPOOL_DIR
    files = []
    for path in root.glob(f"{PREFIX}/*/*/*"):
        # Another process may move it along meanwhile.
        with suppress(FileNotFoundError):
            files.append((path.stat().st_mtime, path))
    for _, path in sorted(files):
        name = path.relative_to(root).as_posix()
        if NAME.fullmatch(name):
            yield name


def flush_spool(limit: int | None = None) -> int:
    """Move spooled files to the storage and return how many went.

    Stops at the first that the storage refuses.
    """
    moved = 0
    for name in spooled():
        if moved == limit:
            break
        path = settings.SPOOL_DIR / name
        try:
            _put(name, path.read_bytes())
        except FileNotFoundError:
            continue  # Another process was quicker.
        except Exception as error:
            logger.warning("The storage still refuses %s: %r", name, error)
            break
        path.unlink(missing_ok=True)
        moved += 1
    return moved


def _flush_one() -> None:
    try:
        flush_spool(limit=1)
    except Exception:
        # The file stays where it is; the next write tries again.
        logger.warning("The spool cannot be flushed", exc_info=True)
    finally:
        _flushing.release()


def listing() -> Iterator[tuple[str, float]]:
    """Yield name and age in seconds of every file of ours in the storage."""
    storage = get_storage()
    for name in _walk(storage, PREFIX):
        if NAME.fullmatch(name):
            yield name, time.time() - storage.get_modified_time(name).timestamp()


def _walk(storage: Storage, folder: str) -> Iterator[str]:
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        if name:
            yield from _walk(storage, f"{folder}/{name}")


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"Not a name made by chatkit_images: {name!r}.")
    return name


def _retry(name: str, data: bytes) -> None:
    for attempt in range(settings.STORAGE_ATTEMPTS):
        try:
            return _put(name, data)
        except Exception:
            if attempt + 1 == settings.STORAGE_ATTEMPTS:
                raise
            time.sleep(settings.STORAGE_BACKOFF_SECONDS * 2**attempt)


def _put(name: str, data: bytes) -> None:
    storage = get_storage()
    if type(storage) is FileSystemStorage:
        # FileSystemStorage writes in place: a kill would leave a cut file.
        return _write_file(
            Path(storage.path(_checked(name))), data, storage.file_permissions_mode
        )
    saved = storage.save(_checked(name), ContentFile(data))
    if saved == name:
        return
    # Either the first try got through although it raised, and this is a copy, or
    # the storage gives names of its own, under which nobody would look.
    is_copy = storage.exists(name)
    storage.delete(saved)
    if not is_copy:
        raise OSError(
            f"{type(storage).__name__} saved {name!r} as {saved!r}; it must keep names."
        )


def _write_file(path: Path, data: bytes, mode: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@deconstructible
class ProjectStorage(Storage):
    """The storage of the app's file fields: the functions of this module.

    It asks the settings at each call, so a field never holds on to a storage.
    """

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        return File(open_file(name), name=name)

    def _save(self, name: str, content: File[bytes]) -> str:
        store(name, content.read())
        return name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # Random; asking the storage would cost a round trip.

    def delete(self, name: str) -> None:
        delete(name)

    def exists(self, name: str) -> bool:
        return is_spooled(name) or get_storage().exists(name)

    def size(self, name: str) -> int:
        with open_file(name) as file:
            return File(file).size

    def url(self, name: str | None) -> str:
        return get_storage().url(name)
