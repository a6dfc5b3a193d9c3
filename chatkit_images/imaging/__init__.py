"""Bytes of images: decode, recognise, clean, measure, scale.

Nothing here does I/O, and everything may be called in many threads at once.
"""

from __future__ import annotations

from . import budget
from .base64 import decode_base64
from .containers import credentials_of, strip, trim
from .decoding import ImageInfo, Outside, check, examine, inspect, scale, sketch
from .exif import ORIENTATION
from .formats import EXTENSIONS, INLINE, SHOWN, is_svg, sniff
from .masks import mask
from .normal import as_it_is, for_model, form, is_light, ready, redraw
from .placeholders import Base64Image, Placeholders, RawImage, SentImage, WholeImage
from .thumbnails import Sketch
from .wrapping import may_unwrap

__all__ = [
    "EXTENSIONS",
    "INLINE",
    "ORIENTATION",
    "SHOWN",
    "Base64Image",
    "ImageInfo",
    "Outside",
    "Placeholders",
    "RawImage",
    "SentImage",
    "Sketch",
    "WholeImage",
    "as_it_is",
    "budget",
    "check",
    "credentials_of",
    "decode_base64",
    "examine",
    "for_model",
    "form",
    "inspect",
    "is_light",
    "is_svg",
    "mask",
    "may_unwrap",
    "ready",
    "redraw",
    "scale",
    "sketch",
    "sniff",
    "strip",
    "trim",
]
