"""What the container of an image says, without decoding a pixel."""

from __future__ import annotations

import struct

from . import buffers, gif, jpeg, png, svg, webp
from .formats import GIF, JPEG, PNG, SVG, WEBP, sniff
from .layout import Layout, damaged

READERS = {
    PNG[0]: png.read,
    JPEG[0]: jpeg.read,
    WEBP[0]: webp.read,
    GIF[0]: gif.read,
}


def read(data: bytes, mime: str) -> Layout:
    """Return the layout of a raster image.

    Raises:
        ImageError: If its container is damaged, or ends early.
    """
    try:
        return READERS[mime](data)
    except (IndexError, struct.error) as error:
        raise damaged() from error


def trim(data: bytes) -> bytes:
    """Return the image without the bytes after its end.

    A page or an archive that is appended to an image makes a file that is both. An
    image without such bytes is returned as it is; an SVG gets the namespaces that it
    needs in a file.

    Raises:
        ImageError: If the type is unknown or the container damaged.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        return svg.trimmed(data)
    end = read(data, mime).end
    return data if end == len(data) else buffers.join([memoryview(data)[:end]])


def strip(data: bytes) -> bytes:
    """Return the image without metadata, and without the bytes after its end.

    EXIF (with it the place where a photo was taken), XMP, IPTC, text and comments go.
    What the image looks like stays to the bit: pixels, colour profile,
    transparency, animation and orientation. An SVG is only trimmed.

    Raises:
        ImageError: If the type is unknown or the container damaged.
    """
    mime, _ = sniff(data)
    if mime == SVG[0]:
        return svg.trimmed(data)
    return stripped(data, read(data, mime))


def stripped(data: bytes, layout: Layout) -> bytes:
    """Return the parts of an image that its layout names."""
    if layout.parts == [(0, len(data))]:
        return data
    return buffers.join(list(layout.parts_of(data)))
