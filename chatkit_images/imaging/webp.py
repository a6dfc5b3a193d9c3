"""The container of WebP."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from . import exif
from .layout import Layout, damaged

HEADER = struct.Struct("<4sI")
FIRST = 12
KEPT = frozenset((b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
CREDENTIALS = b"C2PA"
ANIMATED = (b"ANIM", b"ANMF")
# Flags of an extended file.
HAS_EXIF, HAS_XMP = 0x08, 0x04
# Above any real image, an animation of some thousand frames included.
MAX_CHUNKS = 20_000
# The decoder keeps two canvases, and hands over a copy of one.
HELD = 12.6


def read(data: bytes) -> Layout:
    """Return the layout of a WebP."""
    (size,) = struct.unpack_from("<I", data, 4)
    layout = Layout(*_size(data), end=min(8 + size + size % 2, len(data)), held=HELD)
    found = list(chunks(data, 8 + size, layout))
    layout.orientation = _orientation(data, found)
    turned = layout.orientation > 1
    layout.is_plain = not any(kind in ANIMATED for kind, _, _ in found)
    for kind, start, stop in found:
        if kind == b"VP8X" and start == FIRST:
            flags = data[start + 8] & ~(HAS_EXIF | HAS_XMP)
            flags |= HAS_EXIF * turned
            if flags == data[start + 8]:
                layout.keep(start, stop)
            else:
                layout.put(data[start : start + 8] + bytes([flags]))
                layout.keep(start + 9, stop)
        elif kind == b"EXIF" and turned:
            body = exif.minimal(layout.orientation)
            layout.put(HEADER.pack(b"EXIF", len(body)) + body)
            turned = False
        elif kind in KEPT:
            layout.keep(start, stop)
        elif kind == CREDENTIALS:
            _, length = HEADER.unpack_from(data, start)
            layout.credentials.append((start + 8, start + 8 + length))
    if layout.parts == [(FIRST, layout.end)]:
        layout.parts = [(0, layout.end)]
    else:
        header = HEADER.pack(b"RIFF", 4 + layout.size) + b"WEBP"
        layout.parts.insert(0, header)
    return layout


def chunks(data: bytes, end: int, layout: Layout) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and stop of each chunk."""
    if end > len(data):
        raise damaged()
    start = FIRST
    for _ in range(MAX_CHUNKS):
        if end - start < HEADER.size:
            return
        kind, length = HEADER.unpack_from(data, start)
        stop = start + HEADER.size + length
        if stop > end:
            raise damaged()
        # A chunk of an odd length is followed by one byte more.
        stop = min(stop + length % 2, len(data))
        yield kind, start, stop
        start = stop
    raise layout.too_complex()


def _size(data: bytes) -> tuple[int, int]:
    kind = data[FIRST : FIRST + 4]
    if kind == b"VP8X":
        across, down = data[24:27], data[27:30]
        return int.from_bytes(across, "little") + 1, int.from_bytes(down, "little") + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise damaged()


def _orientation(data: bytes, found: list[tuple[bytes, int, int]]) -> int:
    # Only an extended file has EXIF, and only if it says so.
    if data.startswith(b"VP8X", FIRST) and data[FIRST + 8] & HAS_EXIF:
        for kind, start, stop in found:
            if kind == b"EXIF":
                return exif.orientation(data[start + 8 : stop])
    return 1
