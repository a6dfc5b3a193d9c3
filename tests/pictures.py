"""Small pictures of every format."""

from __future__ import annotations

import io

from PIL import Image

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'


def picture(colour: str, form: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    """Return the bytes of a picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()
