"""Pixels of images, decoded within the budget of memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..exceptions import ImageError
from . import budget, buffers, containers, png
from .formats import GIF, JPEG, PNG, WEBP
from .layout import Layout, damaged

# The decoders that an image may reach. Pillow has many more, and most of its
# security fixes are in those.
DECODERS: dict[str, type[ImageFile]] = {
    PNG[0]: PngImageFile,
    JPEG[0]: JpegImageFile,
    WEBP[0]: WebPImageFile,
    GIF[0]: GifImageFile,
}
# How many times fewer pixels on a side a decoder may make, if it can.
SCALES = (8, 4, 2, 1)
# Bytes of memory for each row of decoded pixels.
ROW = 8


@contextmanager
def decoded(
    data: bytes,
    mime: str,
    layout: Layout,
    side: int = 1,
    work: int = 0,
    later: int = 0,
) -> Iterator[ImageFile]:
    """Have the first frame, decoded to no fewer pixels than ``side`` asks for.

    Its memory comes from the budget. What is kept of the pixels must be small.

    Args:
        data: The bytes of the image.
        mime: Its type.
        layout: What a walk through its container has found.
        side: Pixels that the longer side needs.
        work: Bytes of memory for what is made of the pixels.
        later: Bytes for what is made of that, when the caller has deleted the pixels.
    """
    longest = max(layout.width, layout.height)
    pixels, shown = layout.width * layout.height, 1
    if layout.scales:
        shown = max(n for n in SCALES if n == 1 or longest >= n * side)
    # A copy without metadata, and one for the decoder. They are gone when work begins.
    decoder = 2 * len(data) + int(pixels * layout.held)
    size = pixels * layout.depth // shown**2 + max(decoder, work)
    # Pillow has a pointer to each row: most of it, if rows are of a pixel or two.
    size += ROW * layout.height // shown
    with budget.hold(max(size, later)):
        yield load(data, mime, layout, side)


def load(data: bytes, mime: str, layout: Layout, side: int) -> ImageFile:
    """Return the first frame, decoded. Its memory must be held already.

    Raises:
        ImageError: If the image is damaged, or has another size than its container.
    """
    with damage():
        # Pillow would parse more metadata than is needed here.
        plain = containers.stripped(data, layout)
        if mime == PNG[0]:
            plain = png.joined(plain)
        pixels = DECODERS[mime](io.BytesIO(plain))
        # The default is 64 KB, and the decoder waits for the interpreter's lock after
        # each block.
        pixels.decodermaxblock = buffers.SLICE
        if pixels.size != (layout.width, layout.height):
            raise damaged()
        # A JPEG is read from end to end for any size, with less work for a small one.
        longest = max(pixels.size)
        box = [max(1, each * side // longest) for each in pixels.size]
        pixels.draft("RGB", (box[0], box[1]))
        pixels.load()
    return pixels


@contextmanager
def damage() -> Iterator[None]:
    """Turn the many exceptions that Pillow raises at broken data into one error."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise damaged() from error
