"""Bytes of images: decode, recognise, clean, measure, scale.

Nothing here does I/O, and everything may be called in many threads at once.
"""

from __future__ import annotations

from .base64 import decode_base64
from .containers import strip, trim
from .decoding import ImageInfo, Outside, check, examine, inspect, scale, sketch
from .exif import ORIENTATION
from .formats import EXTENSIONS, INLINE, is_svg, sniff
from .placeholders import Base64Image, Placeholders
from .thumbnails import Sketch

__all__ = [
    "EXTENSIONS",
    "INLINE",
    "ORIENTATION",
    "Base64Image",
    "ImageInfo",
    "Outside",
    "Placeholders",
    "Sketch",
    "check",
    "decode_base64",
    "examine",
    "inspect",
    "is_svg",
    "scale",
    "sketch",
    "sniff",
    "strip",
    "trim",
]
