"""Images in the form that every provider of models documents as accepted.

One frame, upright, 8-bit RGB or RGBA, as PNG, JPEG or WebP, and neither tiny nor huge.
Providers refuse a whole request for an image in any other form. What is drawn again is
in sRGB, as models are not known to read colour profiles.
"""

from __future__ import annotations

import io
import math

from PIL import Image

from . import colours, containers
from .formats import JPEG, PNG, SVG, WEBP, sniff
from .layout import damaged
from .pixels import damage, decoded
from .thumbnails import TURNS, eight_bit, reduced

# Most pixels on a side. More of them are refused by some, in requests of many images,
# and made smaller by all others.
MOST = 2000
# Fewest pixels on a side: 11 and 512 in all are the least that are known to be asked.
LEAST = 32
# Up to so many pixels a lossless file is made in no time, and is small enough.
LOSSLESS_PIXELS = 2**20
LOSSLESS_BYTES = 4 * 2**20
# Bytes of memory for each pixel that is being scaled, and that is being written.
SCALING, WRITING = 12, 30


def as_it_is(data: bytes) -> tuple[str, bytes] | None:
    """Return type and bytes of an image that has the form already, else ``None``.

    Only the container is read, no pixel is decoded.

    Raises:
        ImageError: If the type is unknown, or the container damaged.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        return None
    layout = containers.read(data, mime)
    sides = layout.width, layout.height
    fits = min(sides) >= LEAST and max(sides) <= MOST
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
    layout = containers.read(data, mime)
    size = layout.width, layout.height
    left = math.prod(size) // _reduction(size) ** 2
    later = max(left * SCALING, min(left, MOST**2) * WRITING)
    with decoded(data, mime, layout, MOST, 4 * left, later) as image, damage():
        profile = colours.profile_of(data, mime, image)
        factor = _reduction(image.size)
        if factor > 1:
            pixels = reduced(image, factor, profile)
        else:
            pixels = eight_bit(image, profile)
        del image
        if pixels.mode == "RGBA" and _is_opaque(pixels):
            pixels = pixels.convert("RGB")
        # Turning after scaling has fewer pixels to move; the box is a square.
        pixels.thumbnail((MOST, MOST))
        pixels = colours.to_srgb(pixels, profile)
        turn = TURNS.get(layout.orientation)
        pixels = _grown(pixels if turn is None else pixels.transpose(turn))
        if not lossy and mime != JPEG[0] and math.prod(pixels.size) <= LOSSLESS_PIXELS:
            data = _written(pixels, "PNG", compress_level=6)
            if len(data) <= LOSSLESS_BYTES:
                return PNG[0], data
        # JPEG knows no transparency.
        form, mime = ("WEBP", WEBP[0]) if pixels.mode == "RGBA" else ("JPEG", JPEG[0])
        return mime, _written(pixels, form, quality=85 if lossy else 90)


def _reduction(size: tuple[int, int]) -> int:
    return max(size) // MOST or 1


def _is_opaque(pixels: Image.Image) -> bool:
    return pixels.getchannel("A").getextrema() == (255, 255)


def _grown(pixels: Image.Image) -> Image.Image:
    """Return the pixels, enlarged if they are few; with a margin if they are a line."""
    low, high = sorted(pixels.size)
    if low >= LEAST:
        return pixels
    factor = min(math.ceil(LEAST / low), MOST // high)
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
