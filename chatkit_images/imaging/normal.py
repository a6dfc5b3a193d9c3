"""Images in the form that every provider of models documents as accepted.

One frame, upright, 8-bit RGB or RGBA, as PNG, JPEG or WebP, and neither tiny nor huge.
Providers refuse a whole request for an image in any other form. What is drawn again is
in sRGB, as models are not known to read colour profiles.
"""

from __future__ import annotations

import io
import math

from PIL import Image

from ..conf import settings
from ..exceptions import ImageError
from . import colours, containers
from .formats import JPEG, PNG, SVG, WEBP, sniff
from .layout import damaged
from .pixels import DECODERS, damage, decoded
from .thumbnails import TURNS, eight_bit, reduced

# Fewest pixels on a side: 11 and 512 in all are the least that are known to be asked.
LEAST = 32
# Most pixels on a side that a WebP can have.
MOST = 16_383
# Up to so many pixels a lossless file is made in no time, and up to so many bytes it is
# small enough: it goes along on each turn.
LOSSLESS_PIXELS = 2**20
LOSSLESS_BYTES = 2**20
# A file that is not smaller than this share of the original is not worth its loss.
WORTHWHILE = 0.75
FORMATS = {"png": ("PNG", PNG[0]), "jpeg": ("JPEG", JPEG[0]), "webp": ("WEBP", WEBP[0])}
# Bytes of memory for each pixel that is being scaled, and that is being written.
SCALING, WRITING = 12, 30


def form() -> str:
    """Return the settings by which images are made, in a few characters."""
    return f"{settings.MODEL_SIDE}:{settings.MODEL_FORMAT}"


def is_light(mime: str, size: int, width: int, height: int) -> bool:
    """Whether an image goes to models as it is, or is drawn again in a moment.

    Args:
        mime: Its type.
        size: How many bytes it has.
        width, height: Its pixels.
    """
    if mime == SVG[0]:
        return True  # Its source goes along.
    return size <= LOSSLESS_BYTES and max(width, height) <= _most()


def ready(data: bytes) -> tuple[str, bytes] | None:
    """Return type and bytes of an image that goes to models as it is, else ``None``.

    It has the form, its colours are those of sRGB, and it has few bytes. No pixel is
    decoded.

    Raises:
        ImageError: If the type is unknown, or the container damaged.
    """
    same = as_it_is(data)
    if same is None or not _is_srgb(data, same[0]):
        return None
    few = settings.MODEL_FORMAT == "png" or len(same[1]) <= LOSSLESS_BYTES
    return same if few else None


def for_model(data: bytes) -> tuple[str, bytes]:
    """Return type and bytes of an image in that form: as it is, or drawn again.

    What has the form is drawn again only if its colours are not those of sRGB, or if it
    has many bytes and gets fewer by that.

    Raises:
        ImageError: As ``redraw`` does.
    """
    if (same := ready(data)) is not None:
        return same
    same = as_it_is(data)
    if same is None:
        return redraw(data)
    try:
        drawn = redraw(data)
    except ImageError as error:
        # It may be whole, and too much for the decoders here only.
        if error.code == "too_heavy":
            return same
        raise
    worth = len(drawn[1]) <= WORTHWHILE * len(same[1])
    return drawn if worth or not _is_srgb(data, same[0]) else same


def as_it_is(data: bytes) -> tuple[str, bytes] | None:
    """Return type and bytes of an image that has the form already, else ``None``.

    Only the container is read, no pixel is decoded.

    Raises:
        ImageError: If the type is unknown, or the container damaged.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        return None
    wanted = FORMATS.get(settings.MODEL_FORMAT)
    if wanted is not None and mime != wanted[1]:
        return None
    layout = containers.read(data, mime)
    sides = layout.width, layout.height
    fits = min(sides) >= LEAST and max(sides) <= _most()
    if not (fits and layout.is_plain and layout.orientation == 1):
        return None
    return mime, data if layout.end == len(data) else data[: layout.end]


def redraw(data: bytes, *, lossy: bool = False) -> tuple[str, bytes]:
    """Return type and bytes of an image, decoded and written in that form.

    Args:
        data: The bytes of a raster image.
        lossy: Whether few bytes count more than exact pixels.

    Raises:
        ImageError: If they are none, or damaged, of too many pixels, or take too much
            memory.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        raise damaged()
    most = _most()
    layout = containers.read(data, mime)
    size = layout.width, layout.height
    left = math.prod(size) // _reduction(size, most) ** 2
    later = max(left * SCALING, min(left, most**2) * WRITING)
    with decoded(data, mime, layout, most, 4 * left, later) as image, damage():
        profile = colours.profile_of(data, mime, image)
        factor = _reduction(image.size, most)
        if factor > 1:
            pixels = reduced(image, factor, profile)
        else:
            pixels = eight_bit(image, profile)
        del image
        if pixels.mode == "RGBA" and _is_opaque(pixels):
            pixels = pixels.convert("RGB")
        # Turning after scaling has fewer pixels to move; the box is a square.
        pixels.thumbnail((most, most))
        pixels = colours.to_srgb(pixels, profile)
        turn = TURNS.get(layout.orientation)
        pixels = _grown(pixels if turn is None else pixels.transpose(turn), most)
        return _encoded(pixels, lossy=lossy, photo=mime == JPEG[0])


def _encoded(pixels: Image.Image, *, lossy: bool, photo: bool) -> tuple[str, bytes]:
    """Return type and bytes of pixels, in the format that the settings say.

    Args:
        pixels: RGB or RGBA.
        lossy: Whether few bytes count more than exact pixels.
        photo: Whether they come from a JPEG, which has lost the exact pixels.
    """
    quality = 85 if lossy else 90
    wanted = settings.MODEL_FORMAT
    if wanted == "auto":
        few = math.prod(pixels.size) <= LOSSLESS_PIXELS
        if few and not (lossy or photo):
            data = _written(pixels, "PNG", compress_level=6)
            if len(data) <= LOSSLESS_BYTES:
                return PNG[0], data
        # JPEG knows no transparency.
        wanted = "webp" if pixels.mode == "RGBA" else "jpeg"
    form, mime = FORMATS[wanted]
    if wanted == "png":
        return mime, _written(pixels, form, compress_level=6)
    if wanted == "jpeg" and pixels.mode == "RGBA":
        white = Image.new("RGBA", pixels.size, "white")
        pixels = Image.alpha_composite(white, pixels).convert("RGB")
    return mime, _written(pixels, form, quality=quality)


def _is_srgb(data: bytes, mime: str) -> bool:
    """Whether the numbers of pixels mean what models take them for."""
    layout = containers.read(data, mime)
    with damage():
        head = DECODERS[mime](io.BytesIO(containers.stripped(data, layout)))
        return not colours.profile_of(data, mime, head)


def _most() -> int:
    """Return the most pixels on a side."""
    return min(max(LEAST, settings.MODEL_SIDE), MOST)


def _reduction(size: tuple[int, int], most: int) -> int:
    return max(size) // most or 1


def _is_opaque(pixels: Image.Image) -> bool:
    return pixels.getchannel("A").getextrema() == (255, 255)


def _grown(pixels: Image.Image, most: int) -> Image.Image:
    """Return the pixels, enlarged if they are few; with a margin if they are a line."""
    low, high = sorted(pixels.size)
    if low >= LEAST:
        return pixels
    factor = min(math.ceil(LEAST / low), most // high)
    width, height = (side * factor for side in pixels.size)
    pixels = pixels.resize((width, height), Image.Resampling.NEAREST)
    size = max(width, LEAST), max(height, LEAST)
    if size == pixels.size:
        return pixels
    canvas = Image.new(pixels.mode, size, "white" if pixels.mode == "RGB" else 0)
    canvas.paste(pixels, ((size[0] - width) // 2, (size[1] - height) // 2))
    return canvas


def _written(pixels: Image.Image, form: str, **options: int) -> bytes:
    out = io.BytesIO()
    # Pillow would write the profile that the pixels do not have any more.
    pixels.save(out, form, icc_profile=None, **options)
    return out.getvalue()
