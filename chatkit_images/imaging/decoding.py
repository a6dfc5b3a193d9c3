"""Images as they are displayed: measured, checked, decoded."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace

from ..conf import settings
from ..exceptions import ImageError
from . import colours, containers, png, svg
from .formats import PNG, SVG, sniff
from .layout import Layout, TooComplex
from .pixels import damage, decoded
from .thumbnails import TILE, Sketch, reduction

logger = logging.getLogger(__name__)

# Bytes of memory for each pixel of which a thumbnail is made.
WORK = 12


@dataclass(frozen=True)
class ImageInfo:
    """What the bytes of an image say about it.

    Attributes:
        mime: MIME type, read from the bytes.
        extension: File extension without the dot.
        width: Pixels as displayed, EXIF applied; 0 for an SVG.
        height: Pixels as displayed, EXIF applied; 0 for an SVG.
        size: Bytes.
        sha256: Hexadecimal digest; empty if the pixels were not decoded.
    """

    mime: str
    extension: str
    width: int
    height: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Outside:
    """What is known of an image before a pixel is decoded.

    Attributes:
        info: What its bytes say, without a digest.
        layout: Where the parts of its file are. An SVG has none, nor has what is kept
            although it is too complex.
        is_kept: Whether it is accepted even if its pixels cannot be checked.
    """

    info: ImageInfo
    layout: Layout | None
    is_kept: bool = False


def inspect(data: bytes, *, decode: bool = True) -> ImageInfo:
    """Return what the bytes say.

    Args:
        data: The bytes of the image.
        decode: Whether the first frame is decoded from end to end. Otherwise only the
            container is checked, which is enough for a partial image, and there is no
            digest.

    Raises:
        ImageError: If the type is unknown, the data damaged, or the image larger
            than ``MAX_IMAGE_BYTES`` or ``MAX_IMAGE_PIXELS``, too complex, or too heavy
            for ``DECODE_MEMORY_BYTES``.
    """
    outside = check(data)
    if not decode:
        return outside.info
    if outside.layout is not None:
        with decoded(data, outside.info.mime, outside.layout):
            pass
    return replace(outside.info, sha256=hashlib.sha256(data).hexdigest())


def examine(data: bytes, side: int, *, keep: bool = False) -> tuple[ImageInfo, bytes]:
    """Return what the bytes say and a thumbnail, decoding the first frame once.

    The thumbnail is that of ``scale``. It is empty for an SVG, or if it cannot be made:
    a broken thumbnail must not cost the image.

    Args:
        data: The bytes of the image.
        side: The thumbnail's longer side, in pixels.
        keep: Whether an image that is too complex or too heavy is accepted, its pixels
            unchecked and without a thumbnail.

    Raises:
        ImageError: As ``inspect`` does.
    """
    info, sketched = sketch(data, side, check(data, keep=keep))
    return info, sketched.thumbnail() if sketched else b""


def sketch(
    data: bytes, side: int, outside: Outside | None = None
) -> tuple[ImageInfo, Sketch | None]:
    """Return what the bytes say and a sketch, of which a thumbnail can be made later.

    An SVG has no sketch, nor has what is kept although its pixels cannot be checked.

    Args:
        data: The bytes of the image.
        side: The thumbnail's longer side, in pixels.
        outside: What ``check`` has found.

    Raises:
        ImageError: As ``inspect`` does.
    """
    outside = outside or check(data)
    info, layout, found = outside.info, outside.layout, None
    if layout is not None:
        try:
            found = _sketch(data, info.mime, layout, side)
        except ImageError as error:
            if not (outside.is_kept and error.code == "too_heavy"):
                raise
            logger.warning("An image is kept without a look at its pixels: %s", error)
    return replace(info, sha256=hashlib.sha256(data).hexdigest()), found


def scale(data: bytes, side: int) -> bytes:
    """Return the image as WebP, upright, its longer side at most ``side`` pixels.

    Raises:
        ImageError: If the bytes are not a raster image.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        raise ImageError("unknown_type", "An SVG cannot be scaled.")
    found = _sketch(data, mime, containers.read(data, mime), side)
    with damage():
        return found.webp()


def check(data: bytes, *, keep: bool = False) -> Outside:
    """Return what can be said without decoding a pixel.

    Args:
        data: The bytes of the image.
        keep: Whether an image that is too complex is accepted, and one whose pixels
            are too heavy later.

    Raises:
        ImageError: If the type is unknown, the container damaged or the image too
            large.
    """
    if len(data) > settings.MAX_IMAGE_BYTES:
        raise ImageError("too_large", "The image has too many bytes.")
    mime, extension = sniff(data)
    bare = ImageInfo(mime, extension, 0, 0, len(data), "")
    try:
        if mime == SVG[0]:
            svg.end_of(data)
            return Outside(bare, None, keep)
        layout = containers.read(data, mime)
        if mime == PNG[0]:
            png.verify(data)
    except TooComplex as error:
        if not keep:
            raise
        logger.warning("An image is kept without a look at its pixels: %s", error)
        info = replace(bare, width=error.width, height=error.height)
        return Outside(info, None, keep)
    width, height = layout.width, layout.height
    if layout.orientation in (5, 6, 7, 8):
        width, height = height, width
    return Outside(replace(bare, width=width, height=height), layout, keep)


def _sketch(data: bytes, mime: str, layout: Layout, side: int) -> Sketch:
    pixels = layout.width * layout.height
    factor = reduction((layout.width, layout.height), side)
    # What is not made smaller is converted and scaled as it is.
    work = pixels * WORK if factor < 2 else TILE**2 * WORK + 4 * pixels // factor**2
    with decoded(data, mime, layout, side, work) as found, damage():
        profile = colours.profile_of(data, mime, found)
        return Sketch(found, side, layout.orientation, profile).reduced()
