"""The files of a measurement with neighbours: hostile ones, and a photo."""

from __future__ import annotations

import io
import os
import struct
from functools import cache

from PIL import Image

SIDE = 6300
# Pixels of an ordinary photo: those of a phone.
PHOTO = (4032, 3024)
EXTENSIONS, SCANS = 1_700_000, 99
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


@cache
def webp(width: int = SIDE, height: int = SIDE) -> bytes:
    """Return a lossless WebP of one colour: 34 bytes that claim so many pixels."""
    size = struct.pack("<I", (height - 1) << 14 | (width - 1))
    pixels = b"\x2f" + size + bytes.fromhex("071011fd0f4444ff03")
    chunk = b"VP8L" + struct.pack("<I", len(pixels)) + pixels
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


@cache
def scans() -> bytes:
    """Return a black progressive JPEG whose last scan is there until it has 99."""
    out = io.BytesIO()
    black = Image.new("RGB", (SIDE, SIDE))
    black.save(out, "JPEG", quality=20, progressive=True)
    data = out.getvalue().removesuffix(END_OF_IMAGE)
    body, last = data[: (at := data.rindex(START_OF_SCAN))], data[at:]
    return body + last * (SCANS - body.count(START_OF_SCAN)) + END_OF_IMAGE


@cache
def extensions() -> bytes:
    """Return a GIF of one pixel with 1.7 million extensions before it: 18.7 MB."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    extension = bytes.fromhex("21f9040000000000 21fe00")
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + extension * EXTENSIONS + frame + b"\x3b"


@cache
def large() -> bytes:
    """Return a PNG of about 5 MB."""
    out = io.BytesIO()
    noise = Image.frombytes("RGB", (1300, 1280), os.urandom(1300 * 1280 * 3))
    noise.save(out, "PNG", compress_level=1)
    return out.getvalue()


@cache
def photo() -> bytes:
    """Return what a phone takes: 12 million pixels, about 2 MB, with EXIF."""
    width, height = PHOTO
    small = (width // 4, height // 4)
    noise = [Image.effect_noise(small, spread) for spread in (60, 50, 40)]
    scene = Image.merge("RGB", noise).resize(PHOTO, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    out = io.BytesIO()
    scene.save(out, "JPEG", quality=80, exif=exif)
    return out.getvalue()
