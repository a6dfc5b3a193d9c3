"""Uploads that go past the app: signed when announced, looked at when finished."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from chatkit.types import AttachmentCreateParams
from django.core.exceptions import ImproperlyConfigured

from . import storage
from .cleaning import clean_mime
from .conf import settings
from .exceptions import RequestRefused, StorageUnavailable
from .failures import storages
from .queries import bucket_files, file_types, uploaded_files, uploads
from .queries.uploaded_files import StoredFile
from .storage.presigned import PresignedUpload

T = TypeVar("T")


async def sign(said: AttachmentCreateParams) -> PresignedUpload:
    """Return a presigned upload for a file, to a new name.

    Args:
        said: What the client says of the file; its size and type are bound.

    Raises:
        ImproperlyConfigured: If the storage takes no uploads of clients.
        RequestRefused: If it is too large for an image.
        StorageUnavailable: If what signs does not answer.
    """
    name, mime = storage.new_name("uploads", "bin"), clean_mime(said.mime_type)
    bucket_files.check_image(bucket_files.WrittenFile(name, said.size, mime))

    def signed() -> PresignedUpload:
        if not _is_possible():
            raise ImproperlyConfigured(
                "CHATKIT_IMAGES['ATTACHMENT_UPLOADS'] is 'storage', which needs "
                "S3Storage as it is, and no FILE_CIPHER."
            )
        return storage.presigned.sign(name, said.size, mime)

    # Credentials may have to be asked for.
    return await _within_time(signed)


async def look(file: bucket_files.WrittenFile) -> StoredFile:
    """Return a file as it is stored now, under a name that no client may write.

    Raises:
        RequestRefused: If it is not there, not accepted, or not as announced.
        StorageUnavailable: If the storage does not answer.
    """

    def keep() -> StoredFile:
        _check_possible(file.alias)
        return bucket_files.keep_document(file)

    def read() -> bytes:
        _check_possible(file.alias)
        return bucket_files.read_image(file)

    if not file.is_image:
        return await _within_time(keep, _drop)
    data = await _within_time(read)
    arrival = await storage.call("uploads", uploaded_files.take, data)
    if not arrival.stored.mime.startswith("image/"):
        # A text may begin as a GIF does.
        for write in arrival.writes:
            write.discard()
        raise file_types.other_than_announced(data)
    for write in arrival.writes:
        await write.done()
    return arrival.stored


def _drop(kept: StoredFile) -> None:
    for blob in kept.blobs():
        bucket_files.drop(*blob)


def _is_possible(alias: str | None = None) -> bool:
    """Whether clients may write to a storage, as the settings are now."""
    return settings.FILE_CIPHER is None and storage.presigned.is_possible(alias)


def _check_possible(alias: str | None) -> None:
    """Refuse an upload that was announced under other settings: nobody could read it.

    Raises:
        RequestRefused: If so. The client has to send it again, in another way.
    """
    if not _is_possible(alias):
        raise uploads.not_there()


async def _within_time(
    work: Callable[[], T], drop: Callable[[T], object] | None = None
) -> T:
    """Return what work on the storage returns.

    Args:
        work: The work.
        drop: Undoes it, if it has ended after all when nobody waits any more.
    """
    given_up = threading.Event()

    def working() -> T:
        found = work()
        if drop is not None and given_up.is_set():
            drop(found)
        return found

    try:
        async with asyncio.timeout(settings.STORAGE_TIMEOUT):
            return await storage.call("attachments", working)
    except FileNotFoundError:
        raise uploads.not_there() from None
    except (ImproperlyConfigured, RequestRefused, asyncio.CancelledError):
        raise
    except Exception as error:
        message = f"Storage {settings.STORAGE!r} does not answer: {error!r}"
        raise StorageUnavailable(message, lasting=storages.lasts(error)) from error
    finally:
        given_up.set()
