"""Masks of edits: what is transparent in one may change."""

from __future__ import annotations

import io
from collections.abc import Collection

from PIL import Image

from ..exceptions import ImageError
from . import containers
from .formats import PNG, WEBP, sniff
from .pixels import damage, decoded

Size = tuple[int, int]
# Bytes of memory for each pixel, of the mask and of what is made of it.
WORK = 16


def mask(data: bytes, sizes: Collection[Size], size: Size) -> bytes:
    """Return a mask as a PNG that has nothing but its transparency.

    Args:
        data: The bytes of the mask.
        sizes: Pixels that it may have: those of the image for which it is.
        size: Pixels of that image as a model gets it.

    Raises:
        ImageError: With the code ``bad_mask``, if it cannot be a mask of that image;
            else if it cannot be decoded.
    """
    mime, _ = sniff(data)
    if mime not in (PNG[0], WEBP[0]):
        raise ImageError("bad_mask", f"A mask must be a PNG or a WebP, got {mime}.")
    layout = containers.read(data, mime)
    found = layout.width, layout.height
    if found not in sizes:
        expected = " or ".join(f"{width} x {height}" for width, height in sizes)
        raise ImageError(
            "bad_mask",
            f"The mask has {found[0]} x {found[1]} pixels, and its image {expected}.",
        )
    pixels = max(found[0] * found[1], size[0] * size[1])
    with decoded(data, mime, layout, max(found), WORK * pixels) as image, damage():
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] == 255:
            raise ImageError(
                "bad_mask", "The mask has no transparent pixels: nothing may change."
            )
        if alpha.size != size:
            alpha = alpha.resize(size, Image.Resampling.NEAREST)
        black = Image.new("L", size)
        Image.merge("RGBA", (black, black, black, alpha)).save(
            out := io.BytesIO(), "PNG"
        )
    return out.getvalue()
