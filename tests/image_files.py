"""Small images of every format."""

from __future__ import annotations

import io
import random
import zlib
from typing import Any

from PIL import Image, ImageOps, ImageSequence

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'


def image_file(
    colour: str, form: str = "PNG", size: tuple[int, int] = (64, 48)
) -> bytes:
    """Return the bytes of an image of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def frames(
    form: str, count: int = 3, size: tuple[int, int] = (64, 48), **options: Any
) -> bytes:
    """Return the bytes of an animation; each frame is of another colour."""
    images = [
        Image.new("RGB", size, (255 - index % 256, index // 256, index * 40 % 256))
        for index in range(count)
    ]
    out = io.BytesIO()
    images[0].save(
        out, form, save_all=True, append_images=images[1:], duration=50, **options
    )
    return out.getvalue()


def noise(form: str, size: tuple[int, int] = (64, 48), mode: str = "RGB") -> bytes:
    """Return the bytes of an image that cannot be compressed, always the same."""
    depth = len(Image.new(mode, (1, 1)).getbands())
    pixels = random.Random(1).randbytes(size[0] * size[1] * depth)
    out = io.BytesIO()
    Image.frombytes(mode, size, pixels).save(out, form)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    checksum = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + checksum


def png_of(width: int, height: int, *more: bytes, depth: int = 1) -> bytes:
    """Return a PNG of its header and whatever chunks follow it, grey."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = chunk(b"IHDR", size + bytes([depth, 0, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IEND", b"")


def shown(data: bytes) -> list[tuple[tuple[int, int], bytes, int]]:
    """Return size, pixels and duration of all frames, as they are displayed."""
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for frame in ImageSequence.Iterator(image):
            upright = ImageOps.exif_transpose(frame)
            duration = int(frame.info.get("duration", 0))
            found.append((upright.size, upright.convert("RGBA").tobytes(), duration))
    return found
