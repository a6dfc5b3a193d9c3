"""Writes to the storage: retried, spooled, and limited in time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from asyncio import FIRST_COMPLETED
from concurrent.futures import Future, wait
from typing import Any

from .. import timing
from ..conf import settings
from ..exceptions import StorageUnavailable
from ..failures import remedies, storages
from . import backend, backlog, encryption, flushing, lanes, spool
from .names import checked
from .reading import delete

logger = logging.getLogger(__name__)


def store(name: str, data: bytes | None = None, alias: str | None = None) -> bool:
    """Write a file under a new name, in the spool if the storage refuses it.

    A write that succeeds flushes one file of the spool, in the background.

    Args:
        name: A name of the app's own.
        data: The bytes; ``None`` if they are in the spool.
        alias: Which storage. Default: the one to which new files go.

    Returns:
        Whether the storage has it.

    Raises:
        StorageUnavailable: If the spool refuses it too.
        ValueError: If the name is not one of the app's own.
    """
    checked(name)
    try:
        kept = spool.path_of(name).read_bytes() if data is None else None
        _retry(name, data, kept, alias)
    except Exception as error:
        remedy = remedies.of_storage(error)
        logger.warning(
            "The storage refused %s, spooling it: %r %s",
            name,
            error,
            remedy,
            exc_info=True,
        )
        _leave(name, data, lasting=storages.lasts(error))
        return False
    flushing.soon()
    return True


def keep(name: str, data: bytes) -> bool:
    """Spool bytes that come only once before they go to a storage elsewhere.

    For a storage on this host that would be the same work twice. The bytes are still
    spooled if too many bytes wait in memory already.

    Returns:
        Whether they are in the spool.
    """
    if backend.is_local() and backlog.fits(len(data)):
        return False
    return spooled(name, data)


def spooled(name: str, data: bytes) -> bool:
    """Put bytes into the spool, and return whether it took them."""
    try:
        spool.keep(name, data)
    except Exception as error:  # Also of the project's cipher.
        remedy = remedies.of_storage(error)
        logger.warning("The spool refused %s: %r %s", name, error, remedy)
        return False
    return True


class Upload:
    """A file that is being written to the storage. It may be made in any thread.

    Args:
        name: A name of the app's own.
        data: The bytes; ``None`` if ``keep`` has put them in the spool.
        lane: The threads in which it is written.
        kind: Whose share of the memory it takes.
    """

    def __init__(
        self,
        name: str,
        data: bytes | None,
        *,
        lane: lanes.Lane = "storage",
        kind: backlog.Kind = "images",
    ) -> None:
        self._name, self._data, self._kind = name, data, kind
        # The time when a thread began with it.
        self._begun: Future[float] = Future()
        size = len(data or b"")
        self._write = lanes.begin(lane, self._store)
        backlog.take(size, kind)
        # A write that hangs holds the bytes, however long.
        self._write.add_done_callback(lambda _: backlog.give_back(size, kind))

    @property
    def pending(self) -> bool:
        """Whether the write has not ended."""
        return not self._write.done()

    async def done(self) -> bool:
        """Wait for the write; after ``STORAGE_TIMEOUT`` leave the file in the spool.

        The time counts from when a thread begins to write. A write that hangs goes on
        and may still succeed. If no thread was free for as long, it is not tried.

        Returns:
            Whether the storage has it.

        Raises:
            StorageUnavailable: If neither storage nor spool took it.
        """
        write = asyncio.wrap_future(self._write)
        begun = asyncio.wrap_future(self._begun)
        limit = settings.STORAGE_TIMEOUT
        either: list[asyncio.Future[Any]] = [write, begun]
        await asyncio.wait(either, timeout=limit, return_when=FIRST_COMPLETED)
        if self._write.cancel():
            why = "No thread was free to write %s for %s s, it stays in the spool"
        else:
            # It has begun, if only a moment ago.
            left = limit - (time.monotonic() - await begun)
            await asyncio.wait([write], timeout=left)
            if write.done():
                return write.result()
            why = "The storage is silent, %s stays in the spool after %s s"
        logger.warning(why, self._name, limit)
        await lanes.call("spool", _leave, self._name, self._data)
        # The queue holds this object until a thread is free again.
        self._data = None
        return False

    def discard(self) -> None:
        """Delete the file again, in the background. If that fails, the sweep does."""
        self._write.cancel()
        lanes.later(self._discard)

    def _store(self) -> bool:
        self._begun.set_result(time.monotonic())
        with timing.measured("upload"):
            is_stored = store(self._name, self._data)
        if is_stored and self._kind == "uploads":
            # No recovery looks for an upload whose process has died.
            spool.drop(self._name)
        return is_stored

    def _discard(self) -> None:
        # If the file were deleted first, the write would bring it back.
        wait([self._write], timeout=settings.STORAGE_TIMEOUT)
        delete(self._name)


async def upload(
    name: str, data: bytes | None, *, lane: lanes.Lane = "storage"
) -> bool:
    """Begin an ``Upload`` and wait for it."""
    return await Upload(name, data, lane=lane).done()


def _leave(name: str, data: bytes | None, *, lasting: bool = False) -> None:
    try:
        if data is not None:
            spool.keep(name, data)
    except Exception as error:
        remedy = remedies.of_storage(error)
        raise StorageUnavailable(
            f"Neither storage {settings.STORAGE!r} nor the spool took {name!r}.",
            lasting=lasting and bool(remedy),
        ) from error
    spool.hand_over(name)


def _retry(
    name: str, data: bytes | None, encrypted: bytes | None, alias: str | None
) -> None:
    most = settings.STORAGE_ATTEMPTS
    for attempt in range(most):
        timing.count("store_tries")
        try:
            if encrypted is None:
                encrypted = encryption.encrypt(name, data or b"")
            return backend.put(name, encrypted, alias)
        except Exception as error:
            lasts = remedies.of_storage(error) and not storages.may_end(error)
            if attempt + 1 == most or lasts:
                raise
            # Many writes fail together, so they are not retried at the same moment.
            pause = settings.STORAGE_BACKOFF_SECONDS * 2**attempt
            pause *= random.uniform(0.75, 1.25)
            what = f"Writing {name}"
            timing.warn_of_try(logger, what, error, attempt + 1, most, pause)
            time.sleep(pause)
