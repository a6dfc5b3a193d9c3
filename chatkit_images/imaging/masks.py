"""Masks of edits: what is transparent in one may change."""

from __future__ import annotations

import io
from collections.abc import Collection

from django.utils.translation import gettext as _
from PIL import Image

from ..exceptions import FileRefused
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
        FileRefused: With the code ``bad_mask``, if it cannot be a mask of that image.
        ImageError: If it cannot be decoded.
    """
    mime = sniff(data)[0]
    if mime not in (PNG[0], WEBP[0]):
        raise FileRefused("bad_mask", _("A mask must be a PNG or a WebP."))
    layout = containers.read(data, mime)
    found = layout.width, layout.height
    if found not in sizes:
        text = _("The mask has %(mask)s pixels, and its image %(image)s.") % {
            "mask": f"{found[0]} x {found[1]}",
            "image": " / ".join(f"{width} x {height}" for width, height in sizes),
        }
        raise FileRefused("bad_mask", text)
    pixels = max(found[0] * found[1], size[0] * size[1])
    with decoded(data, mime, layout, max(found), WORK * pixels) as image, damage():
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] == 255:
            text = _("The mask has no transparent pixels: nothing may change.")
            raise FileRefused("bad_mask", text)
        if alpha.size != size:
            alpha = alpha.resize(size, Image.Resampling.NEAREST)
        black = Image.new("L", size)
        Image.merge("RGBA", (black, black, black, alpha)).save(
            out := io.BytesIO(), "PNG"
        )
    return out.getvalue()
