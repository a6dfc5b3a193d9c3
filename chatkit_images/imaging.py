"""Bytes of pictures: decode, recognise, measure, scale. Nothing here does I/O."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from dataclasses import dataclass

import pybase64
from PIL import Image

from .conf import settings
from .exceptions import ImageError

# The decoders that a picture may reach. Pillow has many more, and most of its
# security fixes are in those.
RASTER = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}
SVG = ("image/svg+xml", "svg")
SIGNATURE = re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", re.DOTALL)
EXTENSIONS = dict([*RASTER.values(), SVG])
# A JPEG of several pictures, as some phones write it, is opened as a JPEG and then
# called by a name of its own. It is shown by its first picture.
ALIASES = {"MPO": "JPEG"}
# What a camera that was turned says in EXIF, and how browsers set it right.
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Types that a browser may show in place; an SVG could run as a document.
INLINE = frozenset(mime for mime, _ in RASTER.values())


@dataclass(frozen=True)
class ImageInfo:
    """What the bytes of a picture say about it.

    Attributes:
        mime: MIME type, read from the bytes.
        extension: File extension without the dot.
        width: Pixels as displayed, EXIF applied; 0 for an SVG.
        height: Pixels as displayed, EXIF applied; 0 for an SVG.
        size: Bytes.
        sha256: Hexadecimal digest.
    """

    mime: str
    extension: str
    width: int
    height: int
    size: int
    sha256: str


def decode_base64(text: str) -> bytes:
    """Return the bytes of strict base64.

    Raises:
        ImageError: If it is empty, too long, or not base64 from end to end.
    """
    if len(text) * 3 // 4 > settings.MAX_IMAGE_BYTES:
        raise ImageError("too_large", "The image has too many bytes.")
    try:
        data = pybase64.b64decode(text, validate=True)
    except ValueError as error:
        raise ImageError("invalid_base64", "The image is not valid base64.") from error
    if not data:
        raise ImageError("empty", "The image has no bytes.")
    return data


def inspect(data: bytes) -> ImageInfo:
    """Return what the bytes say, having decoded the picture once from end to end.

    Raises:
        ImageError: If the type is unknown, the data damaged or the picture larger
            than ``MAX_IMAGE_BYTES`` or ``MAX_IMAGE_PIXELS``.
    """
    if len(data) > settings.MAX_IMAGE_BYTES:
        raise ImageError("too_large", "The image has too many bytes.")
    sha256 = hashlib.sha256(data).hexdigest()
    if is_svg(data):
        return ImageInfo(*SVG, 0, 0, len(data), sha256)
    with _open(data) as picture:
        form = str(picture.format)
        form = ALIASES.get(form, form)
        if form not in RASTER:
            raise ImageError("unknown_type", "The image is of an unknown type.")
        mime, extension = RASTER[form]
        width, height = picture.size
        try:
            # verify() finds what load() forgives, such as a PNG without its end.
            picture.verify()
            with _open(data) as again:
                again.load()
                if _orientation(again) in (5, 6, 7, 8):
                    width, height = height, width
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageError("damaged", "The image is damaged.") from error
    return ImageInfo(mime, extension, width, height, len(data), sha256)


def is_svg(data: bytes) -> bool:
    """Whether the bytes begin as an SVG document."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<svg", b"<?xml")) and b"<svg" in data[:4096].lower()


def scale(data: bytes, side: int) -> bytes:
    """Return the picture as WebP, upright, its longer side at most ``side`` pixels.

    Raises:
        ImageError: If the bytes are not a raster picture.
    """
    with _open(data) as picture:
        # JPEG decoders can skip most of the work when told the target size.
        picture.draft("RGB", (side, side))
        turn = TURNS.get(_orientation(picture))
        # Turning after scaling has fewer pixels to move; the box is a square.
        picture.thumbnail((side, side))
        upright = picture if turn is None else picture.transpose(turn)
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        out = io.BytesIO()
        upright.convert(mode).save(out, "WEBP", quality=82, method=2)
        return out.getvalue()


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:
        # Pillow raises all sorts of things at broken EXIF; the picture is fine.
        return 1


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Own limit below: Pillow only warns, and its figure is another one.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=list(RASTER))
    except Image.DecompressionBombError as error:
        raise ImageError("too_many_pixels", "The image has too many pixels.") from error
    except (OSError, SyntaxError, ValueError) as error:
        if SIGNATURE.match(data):
            raise ImageError("damaged", "The image is damaged.") from error
        raise ImageError("unknown_type", "The image is of an unknown type.") from error
    if picture.width * picture.height > settings.MAX_IMAGE_PIXELS:
        raise ImageError("too_many_pixels", "The image has too many pixels.")
    return picture
