"""What the container of an image says, without decoding a pixel."""

from __future__ import annotations

import struct

from ..conf import settings
from ..exceptions import ImageError
from . import buffers, gif, jpeg, png, svg, webp
from .credentials import are_own
from .formats import GIF, JPEG, PNG, SVG, WEBP, sniff
from .layout import Layout, TooComplex, damaged

READERS = {
    PNG[0]: png.read,
    JPEG[0]: jpeg.read,
    WEBP[0]: webp.read,
    GIF[0]: gif.read,
}


def read(data: bytes, mime: str) -> Layout:
    """Return the layout of a raster image.

    Raises:
        ImageError: If its container is damaged, or ends early, or if it has too many
            pixels or parts.
    """
    try:
        layout = READERS[mime](data)
    except TooComplex as error:
        _bound(error)
        raise
    except (IndexError, struct.error) as error:
        raise damaged() from error
    _bound(layout)
    return layout


def _bound(found: Layout | TooComplex) -> None:
    if found.width * found.height > settings.MAX_IMAGE_PIXELS:
        raise ImageError("too_many_pixels", "The image has too many pixels.")


def trim(data: bytes, *, keep: bool = False) -> bytes:
    """Return the image without the bytes after its end.

    A page or an archive that is appended to an image makes a file that is both. An
    image without such bytes is returned as it is; an SVG gets the namespaces that it
    needs in a file.

    Args:
        data: The bytes of the image.
        keep: Whether an image that is too complex is returned as it is.

    Raises:
        ImageError: If the type is unknown or the container damaged.
    """
    mime, _ = sniff(data)
    try:
        if mime == SVG[0]:
            return svg.trimmed(data)
        return _trimmed(data, read(data, mime))
    except TooComplex:
        if not keep:
            raise
        return data


def credentials_of(data: bytes) -> str:
    """Return what content credentials (C2PA) the bytes of an image carry.

    Returns:
        ``"own"`` if they were made for these bytes, ``"other"`` if they were made for
        other bytes, or that cannot be told, and ``"none"``.
    """
    try:
        mime, _ = sniff(data)
        layout = Layout() if mime == SVG[0] else read(data, mime)
    except ImageError:
        return "none"
    if not layout.credentials:
        return "none"
    return "own" if are_own(_trimmed(data, layout), layout) else "other"


def strip(data: bytes, *, credentials: bool = True) -> bytes:
    """Return the image without metadata, and without the bytes after its end.

    EXIF (with it the place where a photo was taken), XMP, IPTC, text and comments go.
    What the image looks like stays to the bit: pixels, colour profile,
    transparency, animation and orientation. An SVG is only trimmed.

    Args:
        data: The image.
        credentials: Whether an image with content credentials of its own is only
            trimmed, too, as these say of what bytes the image has been made. They do
            not outlive the loss of any.

    Raises:
        ImageError: If the type is unknown or the container damaged.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        return svg.trimmed(data)
    layout = read(data, mime)
    if credentials and layout.credentials:
        whole = _trimmed(data, layout)
        if are_own(whole, layout):
            return whole
    return stripped(data, layout)


def _trimmed(data: bytes, layout: Layout) -> bytes:
    if layout.end == len(data):
        return data
    return buffers.join([memoryview(data)[: layout.end]])


def stripped(data: bytes, layout: Layout) -> bytes:
    """Return the parts of an image that its layout names."""
    if layout.parts == [(0, len(data))]:
        return data
    return buffers.join(list(layout.parts_of(data)))
