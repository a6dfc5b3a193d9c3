"""The formats that are accepted, and how their bytes begin."""

from __future__ import annotations

import re

from ..exceptions import ImageError

PNG = ("image/png", "png")
JPEG = ("image/jpeg", "jpg")
WEBP = ("image/webp", "webp")
GIF = ("image/gif", "gif")
SVG = ("image/svg+xml", "svg")
RASTER = (PNG, JPEG, WEBP, GIF)
EXTENSIONS = dict([*RASTER, SVG])
# Types that a browser may show as a document; an SVG could run there.
INLINE = frozenset(mime for mime, _ in RASTER)
# Types that a browser shows within a page. Nothing runs there.
SHOWN = INLINE | {SVG[0]}
# What may stand before the first tag of a document, besides its declaration.
PROLOGUE = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<!DOCTYPE\s+svg[^>\[]*>)*", re.DOTALL | re.I
)
# One group for each of RASTER.
SIGNATURE = re.compile(
    rb"(\x89PNG\r\n\x1a\n)|(\xff\xd8\xff)|(RIFF....WEBP)|(GIF8[79]a)", re.DOTALL
)


def sniff(data: bytes) -> tuple[str, str]:
    """Return MIME type and extension by the first bytes.

    Raises:
        ImageError: If they are not those of an accepted format.
    """
    if match := SIGNATURE.match(data):
        return RASTER[(match.lastindex or 0) - 1]
    if is_svg(data):
        return SVG
    raise ImageError("unknown_type", "The image is of an unknown type.")


def is_known(data: bytes) -> bool:
    """Whether the bytes begin as those of an accepted format."""
    try:
        sniff(data)
    except ImageError:
        return False
    return True


def is_svg(data: bytes) -> bool:
    """Whether the bytes begin as an SVG document."""
    head = PROLOGUE.sub(b"", data[:1024]).lower()
    return head.startswith((b"<svg", b"<?xml")) and b"<svg" in data[:4096].lower()
