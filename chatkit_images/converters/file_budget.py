"""Files for a model's input, within a number of bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from .. import imaging, models, storage
from ..conf import settings
from ..queries.variants import Original
from ..storage.kept_parts import Kept
from . import absences, model_files, parts
from .model_files import SVG
from .parts import Part

# Bytes of an SVG whose source text goes to the model.
SVG_BYTES = 20_000
# The share of an image in the budget, once an input was too large for its provider.
SHARE = 4


class FileBudget:
    """Counts the bytes of files for one input.

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
        self._most_of_files = self._files
        # Whether an image did not fit even after it was drawn with more loss.
        self._full = False

    async def image(self, original: Original) -> Part:
        """Return an image within what is left, with more loss if it is too large.

        Once an image did not fit, none is drawn with more loss. A long chat has many
        images, and each is a file to read and a second of work before the model is
        asked.

        Returns:
            The image, or the source of a small SVG.

        Raises:
            ImageError: If it cannot be decoded.
        """
        size = (original.size if original.made is None else original.made.size) or 0
        if original.mime == SVG and size > SVG_BYTES:
            return None, absences.TOO_LARGE
        if self._full and size > self._left:
            return None, _why(size, self._most)
        found = None
        if original.made is None or size <= self._left:
            found = await model_files.image(original)
        return await self._fit(found, partial(model_files.smaller, original), size)

    async def inline(self, base64: str) -> Part:
        """Return an image that came as base64, as ``image()`` does.

        Raises:
            ImageError: If it cannot be decoded.
        """

        def look() -> tuple[bytes, Kept]:
            data = imaging.decode_base64(base64)
            if imaging.is_svg(data):
                return data, model_files.worded(SVG, data)
            return data, model_files.encoded(*imaging.for_model(data))

        data, found = await storage.call("redraw", look)

        def draw() -> Kept:
            return model_files.encoded(*imaging.redraw(data, lossy=True))

        smaller = partial(storage.call, "redraw", draw)
        return await self._fit(found, smaller, found.size)

    async def _fit(
        self, found: Kept | None, draw: Callable[[], Awaitable[Kept]], size: int
    ) -> Part:
        """Return an image within what is left, drawn with more loss if that helps.

        Args:
            found: The image; ``None`` if it is known that it does not fit.
            draw: Draws it with more loss.
            size: Its bytes, if it is known that they do not fit.
        """
        if found is not None and found.mime == SVG:
            # No provider takes one as an image.
            if found.size > SVG_BYTES:
                return None, absences.TOO_LARGE
            if found.size > self._left:
                return None, _why(found.size, self._most)
            self._images -= found.size
            return parts.text(f"The source of this SVG image:\n{found.text}"), ""
        if found is None or found.size > self._left:
            size = size if found is None else found.size
            if self._full:
                return None, _why(size, self._most)
            found = await draw()
            self._full = found.size > self._left
            if self._full:
                # The loss makes some small images larger.
                return None, _why(min(size, found.size), self._most)
        self._images -= found.size
        return parts.image(found.text), ""

    async def document(self, row: models.Attachment) -> Part:
        """Return a file that is no image."""
        if (size := row.bytes or 0) > self._files:
            return None, _why(size, self._most_of_files)
        found = await model_files.document(row)
        if found.mime == SVG and found.size > SVG_BYTES:
            return None, absences.TOO_LARGE
        # Other files of the message may have been read meanwhile.
        if found.size > self._files:
            return None, _why(found.size, self._most_of_files)
        self._files -= found.size
        if model_files.is_text(found.mime):
            return parts.text(f"The file {row.name!r}:\n{found.text}"), ""
        return parts.file(row.name, found.text), ""

    @property
    def _left(self) -> int:
        return min(self._images, self._most)


def _why(size: int, most: int) -> str:
    """Return why a file does not fit into what is left of a budget.

    Args:
        size: Its bytes.
        most: Bytes for which there would be room without any other file.
    """
    return absences.TOO_LARGE if size > most else absences.NO_ROOM
