"""Images as they are displayed: measured, checked, decoded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..conf import settings
from ..exceptions import ImageError
from . import buffers, containers, png, svg
from .formats import GIF, JPEG, PNG, SVG, WEBP, sniff
from .layout import Layout, damaged
from .thumbnails import Sketch

# The decoders that an image may reach. Pillow has many more, and most of its
# security fixes are in those.
DECODERS: dict[str, type[ImageFile]] = {
    PNG[0]: PngImageFile,
    JPEG[0]: JpegImageFile,
    WEBP[0]: WebPImageFile,
    GIF[0]: GifImageFile,
}


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
        layout: Where the parts of its file are; an SVG has none.
    """

    info: ImageInfo
    layout: Layout | None


def inspect(data: bytes, *, decode: bool = True) -> ImageInfo:
    """Return what the bytes say.

    Args:
        data: The bytes of the image.
        decode: Whether the first frame is decoded from end to end. Otherwise only the
            container is checked, which is enough for a partial image, and there is no
            digest.

    Raises:
        ImageError: If the type is unknown, the data damaged or the image larger
            than ``MAX_IMAGE_BYTES`` or ``MAX_IMAGE_PIXELS``.
    """
    outside = check(data)
    if not decode:
        return outside.info
    if outside.layout is not None:
        load(data, outside.info.mime, outside.layout)
    return replace(outside.info, sha256=hashlib.sha256(data).hexdigest())


def examine(data: bytes, side: int) -> tuple[ImageInfo, bytes]:
    """Return what the bytes say and a thumbnail, decoding the first frame once.

    The thumbnail is that of ``scale``. It is empty for an SVG, or if it cannot be made:
    a broken thumbnail must not cost the image.

    Raises:
        ImageError: As ``inspect`` does.
    """
    info, sketched = sketch(data, side)
    return info, sketched.thumbnail() if sketched else b""


def sketch(
    data: bytes, side: int, outside: Outside | None = None
) -> tuple[ImageInfo, Sketch | None]:
    """Return what the bytes say and a sketch, of which a thumbnail can be made later.

    An SVG has no sketch.

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
        pixels = load(data, info.mime, layout, side)
        found = Sketch(pixels, side, layout.orientation).reduced()
    return replace(info, sha256=hashlib.sha256(data).hexdigest()), found


def scale(data: bytes, side: int) -> bytes:
    """Return the image as WebP, upright, its longer side at most ``side`` pixels.

    Raises:
        ImageError: If the bytes are not a raster image.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        raise ImageError("unknown_type", "An SVG cannot be scaled.")
    layout = layout_of(data, mime)
    pixels = load(data, mime, layout, side)
    with damage():
        return Sketch(pixels, side, layout.orientation).reduced().webp()


def check(data: bytes) -> Outside:
    """Return what can be said without decoding a pixel.

    Raises:
        ImageError: If the type is unknown, the container damaged or the image too
            large.
    """
    if len(data) > settings.MAX_IMAGE_BYTES:
        raise ImageError("too_large", "The image has too many bytes.")
    mime, extension = sniff(data)
    if mime == SVG[0]:
        svg.end_of(data)
        return Outside(ImageInfo(mime, extension, 0, 0, len(data), ""), None)
    layout = layout_of(data, mime)
    if mime == PNG[0]:
        png.verify(data)
    width, height = layout.width, layout.height
    if layout.orientation in (5, 6, 7, 8):
        width, height = height, width
    info = ImageInfo(mime, extension, width, height, len(data), "")
    return Outside(info, layout)


def layout_of(data: bytes, mime: str) -> Layout:
    layout = containers.read(data, mime)
    if layout.width * layout.height > settings.MAX_IMAGE_PIXELS:
        raise ImageError("too_many_pixels", "The image has too many pixels.")
    return layout


def load(data: bytes, mime: str, layout: Layout, side: int = 1) -> ImageFile:
    """Return the first frame, decoded to no fewer pixels than ``side`` asks for."""
    with damage():
        # Pillow would parse more metadata than is needed here.
        plain = containers.stripped(data, layout)
        if mime == PNG[0]:
            plain = png.joined(plain)
        pixels = DECODERS[mime](io.BytesIO(plain))
        # The default is 64 KB, and the decoder waits for the interpreter's lock after
        # each block.
        pixels.decodermaxblock = buffers.SLICE
        if pixels.size != (layout.width, layout.height):
            raise damaged()
        # A JPEG is read from end to end for any size, with less work for a small one.
        pixels.draft("RGB", (side, side))
        pixels.load()
    return pixels


@contextmanager
def damage() -> Iterator[None]:
    """Turn the many exceptions that Pillow raises at broken data into one error."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise damaged() from error
