"""The container of PNG, animated ones included."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise

from . import buffers, exif
from .layout import Layout, damaged

HEADER = struct.Struct(">I4s")
# The chunks that make the image, by the standard and by APNG. Text, time, EXIF and
# private chunks are left out.
KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs "
    b"sPLT acTL fcTL fdAT".split()
)
CREDENTIALS = b"caBX"
# Chunks that say which colours the numbers mean; each rules out those behind it.
MEANING = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
# Depth and colour type of 8-bit RGB and RGBA.
PLAIN = (b"\x08\x02", b"\x08\x06")
# One colour that is transparent, and the control of an animation.
ODD = (b"tRNS", b"acTL")
# Above any real image, an animation of some thousand frames included; Pillow takes its
# time over each.
MAX_CHUNKS = 40_000
# Those that hold no pixels.
MAX_OTHERS = 2000
PIXELS = frozenset((b"IDAT", b"fdAT", b"fcTL"))
# Above 40 million pixels of 16-bit RGB.
MAX_RAW_BYTES = 250_000_000
# By colour type: samples of a pixel, and the bytes that it takes decoded.
COLOURS = {0: (1, 1), 2: (3, 4), 3: (1, 1), 4: (2, 4), 6: (4, 4)}
# Up to so many bytes zlib keeps the interpreter's lock. While the event loop is busy,
# getting the lock back takes up to 5 ms, and an image has a few dozen chunks.
LOCKED = 5 * 1024
# From so many bytes on the work takes longer than getting the lock back.
LARGE = 2**20


def read(data: bytes) -> Layout:
    """Return the layout of a PNG."""
    layout = Layout()
    layout.keep(0, 8)
    turned, others = False, 0
    for kind, start, stop in chunks(data, layout):
        others += kind not in PIXELS
        if others > MAX_OTHERS:
            raise layout.too_complex()
        if start == 8:
            if kind != b"IHDR":
                raise damaged()
            layout.width, layout.height = struct.unpack_from(">II", data, start + 8)
            layout.is_plain = data[start + 16 : start + 18] in PLAIN
            _measure(layout, depth=data[start + 16], colour=data[start + 17])
        elif kind in ODD:
            layout.is_plain = False
        if kind == b"eXIf" and not turned:
            turned = True
            layout.orientation = exif.orientation(data[start + 8 : stop - 4])
            if layout.orientation > 1:
                layout.put(chunk(b"eXIf", exif.minimal(layout.orientation)))
        elif kind in KEPT:
            layout.keep(start, stop)
        elif kind == CREDENTIALS:
            layout.credentials.append((start + 8, stop - 4))
        layout.end = stop
    return layout


def _measure(layout: Layout, *, depth: int, colour: int) -> None:
    samples, layout.depth = COLOURS.get(colour, (4, 4))
    if depth == 16 and colour == 0:
        layout.depth = 2
    if layout.width * layout.height * samples * depth / 8 > MAX_RAW_BYTES:
        raise layout.too_complex()


def verify(data: bytes) -> None:
    """Compare the checksums of all chunks.

    Raises:
        ImageError: If one is wrong.
    """
    view, breath = memoryview(data), buffers.Breath()
    for _, start, stop in chunks(data):
        breath.after(stop - start)
        found = _checksum(view[start + 4 : stop - 4])
        if found != int.from_bytes(view[stop - 4 : stop], "big"):
            raise damaged()


def joined(data: bytes) -> bytes:
    """Return a PNG for Pillow's decoder: pixels in one chunk, and no word of colours.

    For each chunk the decoder would let go of the interpreter's lock, and it refuses an
    image for a profile that is large or odd. The checksum of the one chunk is left out:
    Pillow does not check it, and ``verify`` has done so.
    """
    view, found = memoryview(data), list(chunks(data))
    spans = [(start, stop) for kind, start, stop in found if kind == b"IDAT"]
    cuts: list[tuple[int, int, list[bytes | memoryview]]]
    cuts = [(start, stop, []) for kind, start, stop in found if kind in MEANING]
    if len(spans) > 1 and all(end == start for (_, end), (start, _) in pairwise(spans)):
        length = sum(stop - start - 12 for start, stop in spans)
        bodies = (view[start + 8 : stop - 4] for start, stop in spans)
        one: list[bytes | memoryview] = [
            HEADER.pack(length, b"IDAT"),
            *bodies,
            bytes(4),
        ]
        cuts.append((spans[0][0], spans[-1][1], one))
    if not cuts:
        return data
    parts: list[bytes | memoryview] = []
    position = 0
    for start, stop, instead in sorted(cuts, key=lambda cut: cut[0]):
        parts += [view[position:start], *instead]
        position = stop
    return buffers.join([*parts, view[position:]])


def chunks(
    data: bytes, layout: Layout | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and stop of each chunk up to the end of the image."""
    start = 8
    for _ in range(MAX_CHUNKS):
        length, kind = HEADER.unpack_from(data, start)
        stop = start + length + 12
        if stop > len(data):
            raise damaged()
        yield kind, start, stop
        if kind == b"IEND":
            return
        start = stop
    raise (layout or Layout()).too_complex()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return the bytes of one chunk."""
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _checksum(view: memoryview) -> int:
    if len(view) >= LARGE:
        return zlib.crc32(view)
    found = 0
    for start in range(0, len(view), LOCKED):
        found = zlib.crc32(view[start : start + LOCKED], found)
    return found
