"""Uploads that go past the app: signed when announced, looked at when finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from chatkit.types import AttachmentCreateParams
from django.core.exceptions import ImproperlyConfigured

from . import storage
from .cleaning import clean_mime
from .conf import settings
from .exceptions import RequestRefused, StorageUnavailable
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
    """

    def signed() -> PresignedUpload:
        if settings.FILE_CIPHER is not None or not storage.presigned.is_possible():
            raise ImproperlyConfigured(
                "CHATKIT_IMAGES['ATTACHMENT_UPLOADS'] is 'storage', which needs "
                "S3Storage as it is, and no FILE_CIPHER."
            )
        name = storage.new_name("uploads", "bin")
        return storage.presigned.sign(name, said.size, clean_mime(said.mime_type))

    return await storage.call("attachments", signed)


async def look(file: bucket_files.WrittenFile) -> StoredFile:
    """Return a file as it is stored now, under a name that no client may write.

    Raises:
        RequestRefused: If it is not there, not accepted, or not as announced.
        StorageUnavailable: If the storage does not answer.
    """
    if not file.is_image:
        return await _within_time(lambda: bucket_files.keep_document(file))
    data = await _within_time(lambda: bucket_files.read_image(file))
    arrival = await storage.call("uploads", uploaded_files.take, data)
    if not arrival.stored.mime.startswith("image/"):
        # A text may begin as a GIF does.
        for write in arrival.writes:
            write.discard()
        raise file_types.other_than_announced(data)
    for write in arrival.writes:
        await write.done()
    return arrival.stored


async def _within_time(work: Callable[[], T]) -> T:
    try:
        async with asyncio.timeout(settings.STORAGE_TIMEOUT):
            return await storage.call("attachments", work)
    except FileNotFoundError:
        raise uploads.not_there() from None
    except (RequestRefused, asyncio.CancelledError):
        raise
    except Exception as error:
        message = f"Storage {settings.STORAGE!r} does not answer: {error!r}"
        raise StorageUnavailable(message) from error
