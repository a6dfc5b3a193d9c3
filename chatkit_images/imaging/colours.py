"""Pixels in the colours of sRGB, whatever their file says that its numbers mean.

A copy of the numbers alone would be shown in other colours than the file. Browsers go
by the profile in the file, so that is what counts for what is made of it.
"""

from __future__ import annotations

import io
import logging
import zlib

from PIL import Image, ImageCms

from . import png, primaries, profiles
from .formats import PNG

logger = logging.getLogger(__name__)
GREY = ("1", "L", "LA", "I", "I;16")


def profile_of(data: bytes, mime: str, pixels: Image.Image) -> bytes:
    """Return the profile by which pixels are converted, empty if they are sRGB.

    Args:
        data: The bytes of the file.
        mime: Its type.
        pixels: As they were decoded.
    """
    if mime == PNG[0]:
        found = _in_png(data, pixels)
    else:
        found = _fitting(pixels.info.get("icc_profile"), pixels)
    return b"" if found and profiles.is_srgb(found) else found


def to_srgb(pixels: Image.Image, profile: bytes) -> Image.Image:
    """Return pixels in sRGB as RGB or RGBA; as they are, if the profile is broken.

    Args:
        pixels: RGB or RGBA, or CMYK if the profile is one of inks.
        profile: What ``profile_of`` has returned.
    """
    try:
        return _converted(pixels, profile) if profile else pixels
    except Exception as error:  # Of the library, which has one for each kind of damage.
        logger.info("An image is taken for sRGB, its profile is broken: %r", error)
        return pixels.convert("RGB") if pixels.mode == "CMYK" else pixels


def _converted(pixels: Image.Image, profile: bytes) -> Image.Image:
    alpha = pixels.getchannel("A") if pixels.mode == "RGBA" else None
    if profiles.space_of(profile) == "L":
        pixels = pixels.getchannel("R")
    elif alpha is not None:
        pixels = pixels.convert("RGB")
    # Like browsers: as the profile's maker wants it, and black as black as it is.
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        pixels.mode,
        "RGB",
        ImageCms.Intent.PERCEPTUAL,
    )
    found = transform.apply(pixels)
    if alpha is not None:
        found.putalpha(alpha)
    return found


def _in_png(data: bytes, pixels: Image.Image) -> bytes:
    said: dict[bytes, bytes] = {}
    for kind, start, stop in png.chunks(data):
        if kind in png.MEANING:
            said.setdefault(kind, data[start + 8 : stop - 4])
        elif kind == b"IDAT":
            break
    coded = primaries.coded(said.get(b"cICP", b""))
    if coded is not None:
        return coded
    embedded = _fitting(_unpacked(said.get(b"iCCP", b"")), pixels)
    if embedded or b"sRGB" in said:
        return embedded
    return primaries.measured(said.get(b"gAMA"), said.get(b"cHRM"))


def _unpacked(body: bytes) -> bytes:
    """Return the profile of an iCCP chunk, no more of it than may be used."""
    _, _, packed = body.partition(b"\0")
    try:
        # The first byte names the compression, of which there is one.
        return zlib.decompressobj().decompress(packed[1:], profiles.MAX_BYTES + 1)
    except zlib.error:
        return b""


def _fitting(profile: bytes | None, pixels: Image.Image) -> bytes:
    """Return a profile if it is one of pixels of this kind, else nothing."""
    kind = "CMYK" if pixels.mode == "CMYK" else "RGB"
    if pixels.mode in GREY:
        kind = "L"
    return profile if profile and profiles.space_of(profile) == kind else b""
