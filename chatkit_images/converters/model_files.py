"""Files as models get them: from memory, from the storage, or made now and kept."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from .. import database, imaging, models, storage, timing
from ..cleaning import clean
from ..conf import settings
from ..queries import variants
from ..queries.variants import Made, Original
from ..storage import kept_parts
from ..storage.kept_parts import Kept
from . import parts

logger = logging.getLogger(__name__)
T = TypeVar("T")
SVG = "image/svg+xml"
_drawing = threading.local()
# Types of documents that are text, whatever their name.
TEXTS = ("application/json", "application/xml", SVG)


async def image(original: Original) -> Kept:
    """Return an image in the form for models, or the source of an SVG.

    What is made of it is kept in the storage, and its row says so.

    Raises:
        ImageError: If it cannot be decoded.
        Exception: The storage's own, if it does not answer.
    """
    key = original.name, variants.form()
    if (known := kept_parts.find(key)) is not None:
        return known
    found = None if original.made is None else await _as_made(original, original.made)
    if found is None:
        found = await _make(original)
    kept_parts.keep(key, found)
    return found


async def smaller(original: Original) -> Kept:
    """Return an image drawn with more loss. It is kept in memory only.

    Raises:
        ImageError: If it cannot be decoded.
        Exception: The storage's own, if it does not answer.
    """
    key = original.name, f"{variants.form()}:lossy"
    if (known := kept_parts.find(key)) is not None:
        return known

    def draw() -> Kept:
        return encoded(*imaging.redraw(read_to_draw(original), lossy=True))

    found = await storage.call("redraw", draw)
    kept_parts.keep(key, found)
    return found


async def document(row: models.Attachment) -> Kept:
    """Return a file that is no image: the words of a text, else its bytes.

    Raises:
        Exception: The storage's own, if it does not answer.
    """
    name, mime = str(row.file.name), row.mime_type
    if (known := kept_parts.find((name, ""))) is not None:
        return known
    look = partial(worded if is_text(mime) else encoded, mime)
    found = await read(storage.Blob(name, row.storage_alias), look)
    kept_parts.keep((name, ""), found)
    return found


async def read(blob: storage.Blob, look: Callable[[bytes], T]) -> T:
    """Return what a look at the bytes of a file finds, which must take a moment only.

    It is done in the same thread, so that bytes of which nothing goes along are gone.
    A storage that hangs counts as a failure.
    """

    def reading() -> T:
        return look(storage.read(*blob))

    timing.count("read_files")
    with timing.measured("read"):
        async with asyncio.timeout(settings.STORAGE_TIMEOUT):
            return await storage.call("read", reading)


def is_text(mime: str) -> bool:
    """Whether files of a type go as their words."""
    return mime.startswith("text/") or mime in TEXTS


def encoded(mime: str, data: bytes) -> Kept:
    """Return bytes as requests have them."""
    return Kept(mime, len(data), parts.data_url(mime, data))


def worded(mime: str, data: bytes) -> Kept:
    """Return the words of a text."""
    return Kept(mime, len(data), clean(data.decode("utf-8", errors="replace")))


async def _as_made(original: Original, made: Made) -> Kept | None:
    """Return the form that was made before, ``None`` if its file is not to be had."""

    def look(data: bytes) -> Kept | None:
        # Somebody may have cut it, or put something else in its place.
        found = imaging.as_it_is(data[: made.size])
        if found is None or (found[0], len(found[1])) != (made.mime, made.size):
            return None
        return encoded(*found)

    try:
        at = made if made.name else original
        return await read(storage.Blob(at.name, at.alias), look)
    except TimeoutError:
        raise  # So would the original take too long.
    except Exception as error:
        logger.warning(
            "The form of %s for models is made again: %r", original.name, error
        )
        return None


async def _make(original: Original) -> Kept:
    """Return the form of an image, made now."""
    found = await read(storage.Blob(original.name, original.alias), _ready)
    if found is not None:
        if found.mime != SVG:
            await _keep(original, found, None)
        return found

    def draw() -> tuple[Kept, bytes | None, bool]:
        known = kept_parts.find((original.name, variants.form()))
        if known is not None:
            # It was being made ahead, or for another turn.
            return known, None, False
        data = read_to_draw(original)
        mime, made = imaging.for_model(data)
        return encoded(mime, made), None if data.startswith(made) else made, True

    kept, data, is_new = await storage.call("redraw", draw)
    if is_new:
        await _keep(original, kept, data)
    return kept


def read_to_draw(original: Original) -> bytes:
    """Return the bytes of a file, in the thread that draws.

    They are read when it is their turn, because those of all that wait would fill the
    memory. A storage that hangs keeps no other image from being drawn.
    """
    if not hasattr(_drawing, "patience"):
        # A storage has a client for each thread, which takes a while to make.
        _drawing.patience = storage.Patience()
    patience: storage.Patience = _drawing.patience
    return patience.call(storage.read, original.name, original.alias)


async def _keep(original: Original, kept: Kept, data: bytes | None) -> None:
    try:
        await database.once(variants.keep, original, kept.mime, kept.size, data)
    except Exception:
        # The turn has what it needs.
        logger.warning(variants.NOT_KEPT, original.name, exc_info=True)


def _ready(data: bytes) -> Kept | None:
    if imaging.is_svg(data):
        return worded(SVG, data)
    found = imaging.ready(data)
    return None if found is None else encoded(*found)
