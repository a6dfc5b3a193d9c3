"""Files for a model's input, within a number of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from openai.types.responses import (
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)

from .. import imaging, models, storage, timing
from ..cleaning import clean
from ..conf import settings
from . import parts
from .redrawn import redraw

T = TypeVar("T")
# Type and bytes.
Plain = tuple[str, bytes]
# Bytes of an SVG whose source text goes to the model.
SVG_BYTES = 20_000
# The share of an image in the budget, once an input was too large for its provider.
SHARE = 4
# Types of documents that are text, whatever their name.
TEXTS = ("application/json", "application/xml", "image/svg+xml")


class FileBudget:
    """Reads files for one input and counts what is left of its bytes.

    ``MODEL_IMAGE_BYTES`` is for images, ``MODEL_FILE_BYTES`` for all other files.

    Args:
        halved: Whether an input of these files was too large for the provider.
    """

    def __init__(self, *, halved: bool = False) -> None:
        self._images = settings.MODEL_IMAGE_BYTES
        self._files = settings.MODEL_FILE_BYTES
        self._most = self._images
        if halved:
            self._images, self._files = self._images // 2, self._files // 2
            self._most = self._images // SHARE
        # Whether an image did not fit even after it was scaled.
        self._full = False

    async def image(
        self, name: str, size: int | None
    ) -> ResponseInputImageParam | ResponseInputTextParam | None:
        """Return an image within what is left, scaled down if it is too large.

        Once an image did not fit, none is scaled any more. A long chat has many images,
        and each is a file to read and a second of work before the model is asked.

        Returns:
            The source of a small SVG; ``None`` if the image does not fit.

        Raises:
            ImageError: If it cannot be decoded.
        """
        if self._full and (size or 0) > self._left:
            return None
        found = await _read(name, _plain)
        if isinstance(found, bytes):
            return self._svg(found)
        return await self._fit(found, partial(redraw, name))

    async def inline(
        self, base64: str
    ) -> ResponseInputImageParam | ResponseInputTextParam | None:
        """Return an image that came as base64, as ``image()`` does.

        Raises:
            ImageError: If it cannot be decoded.
        """

        def look() -> tuple[bytes, Plain | bytes | None]:
            data = imaging.decode_base64(base64)
            return data, _plain(data)

        data, found = await storage.call("redraw", look)
        if isinstance(found, bytes):
            return self._svg(found)

        async def draw(*, lossy: bool = False) -> Plain:
            return await storage.call(
                "redraw", partial(imaging.redraw, data, lossy=lossy)
            )

        return await self._fit(found, draw)

    async def _fit(
        self, found: Plain | None, draw: Callable[..., Awaitable[Plain]]
    ) -> ResponseInputImageParam | None:
        """Return an image within what is left, drawn again if that helps."""
        mime, plain = found or await draw()
        if len(plain) > self._left and not self._full:
            mime, plain = await draw(lossy=True)
            self._full = len(plain) > self._left
        if len(plain) > self._left:
            return None
        self._images -= len(plain)
        return parts.image_bytes(mime, plain)

    async def may_go_by_url(self, name: str) -> bool:
        """Whether the stored bytes of an image have the form that goes to models.

        Raises:
            ImageError: If they are no image.
        """
        return await _read(name, _is_plain)

    async def document(
        self, row: models.Attachment
    ) -> ResponseInputFileParam | ResponseInputTextParam | None:
        """Return a file that is no image; ``None`` if it does not fit."""
        if (row.bytes or 0) > self._files:
            return None
        data = await _read(str(row.file.name), lambda data: data)
        # Other files of the message may have been read meanwhile.
        if len(data) > self._files:
            return None
        if row.mime_type.startswith("text/") or row.mime_type in TEXTS:
            if row.mime_type == "image/svg+xml" and len(data) > SVG_BYTES:
                return None
            self._files -= len(data)
            words = clean(data.decode("utf-8", errors="replace"))
            return parts.text(f"The file {row.name!r}:\n{words}")
        self._files -= len(data)
        return parts.file(row.name, row.mime_type, data)

    @property
    def _left(self) -> int:
        return min(self._images, self._most)

    def _svg(self, data: bytes) -> ResponseInputTextParam | None:
        """Return the source of an image that no provider takes as an image."""
        if len(data) > SVG_BYTES or len(data) > self._left:
            return None
        self._images -= len(data)
        words = clean(data.decode("utf-8", errors="replace"))
        return parts.text(f"The source of this SVG image:\n{words}")


def _plain(data: bytes) -> Plain | bytes | None:
    """Return what of an image has the form for models, or the source of an SVG."""
    return data if imaging.is_svg(data) else imaging.as_it_is(data)


def _is_plain(data: bytes) -> bool:
    found = imaging.as_it_is(data)
    return found is not None and len(found[1]) == len(data)


async def _read(name: str, look: Callable[[bytes], T]) -> T:
    """Return what a look at the bytes of a file finds, which must take a moment only.

    It is done in the same thread, so that bytes of which nothing goes along are gone.
    A storage that hangs counts as a failure.
    """

    def read() -> T:
        return look(storage.read(name))

    timing.count("read_files")
    with timing.measured("read"):
        return await _within_time(read)


async def _within_time(read: Callable[[], T]) -> T:
    async with asyncio.timeout(settings.STORAGE_TIMEOUT):
        return await storage.call("read", read)
