"""Images in the form that every provider of models documents as accepted.

One frame, upright, 8-bit RGB or RGBA, as PNG, JPEG or WebP, and neither tiny nor huge.
Providers refuse a whole request for an image in any other form.
"""

from __future__ import annotations

import io
import math

from PIL import Image

from . import containers
from .decoding import damage, layout_of, load
from .formats import JPEG, PNG, SVG, WEBP, sniff
from .layout import damaged
from .thumbnails import TURNS

# Most pixels on a side. More of them are refused by some, in requests of many images,
# and made smaller by all others.
MOST = 2000
# Fewest pixels on a side: 11 and 512 in all are the least that are known to be asked.
LEAST = 32
# Up to so many pixels a lossless file is made in no time, and is small enough.
LOSSLESS_PIXELS = 2**20
LOSSLESS_BYTES = 4 * 2**20


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
        ImageError: If they are none, or damaged, or of too many pixels.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        raise damaged()
    layout = layout_of(data, mime)
    pixels: Image.Image = load(data, mime, layout, MOST)
    with damage():
        profile = pixels.info.get("icc_profile") if "RGB" in pixels.mode else None
        if pixels.mode not in ("1", "P", "PA", "I;16"):
            # The other modes are scaled without smoothing, so they are converted first.
            pixels.thumbnail((MOST, MOST))
        pixels = _eight_bit(pixels)
        # Turning after scaling has fewer pixels to move; the box is a square.
        pixels.thumbnail((MOST, MOST))
        turn = TURNS.get(layout.orientation)
        pixels = _grown(pixels if turn is None else pixels.transpose(turn))
        if not lossy and mime != JPEG[0] and math.prod(pixels.size) <= LOSSLESS_PIXELS:
            data = _written(pixels, "PNG", profile, compress_level=6)
            if len(data) <= LOSSLESS_BYTES:
                return PNG[0], data
        # JPEG knows no transparency.
        form, mime = ("WEBP", WEBP[0]) if pixels.mode == "RGBA" else ("JPEG", JPEG[0])
        return mime, _written(pixels, form, profile, quality=85 if lossy else 90)


def _eight_bit(pixels: Image.Image) -> Image.Image:
    """Return the pixels as RGB, as RGBA only if some let something through."""
    if pixels.mode == "I;16":
        # Pillow would turn all but the darkest pixels white.
        pixels = pixels.point(lambda grey: grey * (1 / 256)).convert("L")
    if not pixels.has_transparency_data:
        return pixels.convert("RGB")
    pixels = pixels.convert("RGBA")
    opaque = pixels.getchannel("A").getextrema() == (255, 255)
    return pixels.convert("RGB") if opaque else pixels


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


def _written(
    pixels: Image.Image, form: str, profile: bytes | None, **options: int
) -> bytes:
    out = io.BytesIO()
    pixels.save(out, form, icc_profile=profile, **options)
    return out.getvalue()
