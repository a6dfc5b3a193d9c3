"""Files for a model's input, within a number of bytes."""

from __future__ import annotations

import asyncio

from openai.types.responses import (
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)

from .. import imaging, models, storage
from ..conf import settings
from ..exceptions import ImageError
from . import parts

# Image models work with no more pixels on a side. A larger image only costs bytes.
MODEL_SIDE = 2048


class FileBudget:
    """Reads files for one input and counts what is left of its bytes.

    ``MODEL_IMAGE_BYTES`` is for images, ``MODEL_FILE_BYTES`` for all other files.
    """

    def __init__(self) -> None:
        self._images = settings.MODEL_IMAGE_BYTES
        self._files = settings.MODEL_FILE_BYTES
        # Whether an image did not fit even after it was scaled.
        self._full = False

    async def image(
        self, name: str, size: int | None, mime: str
    ) -> ResponseInputImageParam | None:
        """Return an image within what is left, scaled down if it is too large.

        Once an image did not fit, none is scaled any more. A long chat has many images,
        and each is a file to read and a second of work before the model is asked.
        """
        if self._full and (size or 0) > self._images:
            return None
        data = await _read(name)
        if len(data) > self._images and not self._full:
            try:
                data = await storage.scale(imaging.scale, data, MODEL_SIDE)
            except ImageError:
                return None
            mime = "image/webp"
            self._full = len(data) > self._images
        if len(data) > self._images:
            return None
        self._images -= len(data)
        return parts.image_bytes(mime, data)

    async def document(
        self, row: models.Attachment
    ) -> ResponseInputFileParam | ResponseInputTextParam:
        """Return a file that is no image, within what is left."""
        too_large = parts.text(f"The file {row.name!r} is too large to show.")
        if (row.bytes or 0) > self._files:
            return too_large
        data = await _read(str(row.file.name))
        # Other files of the message may have been read meanwhile.
        if len(data) > self._files:
            return too_large
        self._files -= len(data)
        if row.mime_type == "text/plain":
            words = data.decode("utf-8", errors="replace")
            return parts.text(f"The file {row.name!r}:\n{words}")
        return parts.file(row.name, row.mime_type, data)


async def _read(name: str) -> bytes:
    """Return the bytes of a file. A storage that hangs counts as a failure."""
    async with asyncio.timeout(settings.STORAGE_TIMEOUT):
        return await storage.run(storage.read, name)
