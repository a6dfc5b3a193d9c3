"""The container of GIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .layout import Layout, damaged

EXTENSION, FRAME, TRAILER = 0x21, 0x2C, 0x3B
CONTROL, TEXT, APPLICATION = 0xF9, 0x01, 0xFF
# Repetition of an animation, twice, and the colour profile.
KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
# Above any real image: frames and what belongs to them, and the blocks of all of them,
# which have 255 bytes but for the last one of a row.
MAX_PARTS = 40_000
MAX_BLOCKS = 500_000
# Blocks of content credentials, of which each place is noted: a dozen megabytes.
MAX_CREDENTIALS = 50_000
# The label of an application, the size of its name, and the name.
CREDENTIALS = bytes((APPLICATION, 11)) + b"C2PA_GIF"


def read(data: bytes) -> Layout:
    """Return the layout of a GIF."""
    # A palette's numbers, and once more what the first frame covers.
    layout = Layout(depth=1, held=1)
    blocks, told = MAX_BLOCKS, 0
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    start = 13 + _table(flags)
    layout.keep(0, start)
    for _ in range(MAX_PARTS):
        code = data[start]
        if code == TRAILER and layout.width and layout.height:
            layout.keep(start, start + 1)
            layout.end = start + 1
            return layout
        if code == FRAME:
            left, top, across, down, flags = struct.unpack_from("<4HB", data, start + 1)
            if not layout.end:
                # A first frame that is larger than the screen makes it larger.
                layout.width = max(width, left + across)
                layout.height = max(height, top + down)
            stop, blocks = _skip(data, start + 11 + _table(flags), blocks)
            layout.keep(start, stop)
            layout.end = stop
        elif code == EXTENSION:
            before = blocks
            stop, blocks = _skip(data, start + 2, blocks)
            if _is_kept(data, start + 1):
                layout.keep(start, stop)
            elif data.startswith(CREDENTIALS, start + 1):
                told += before - blocks
                if told > MAX_CREDENTIALS:
                    break
                layout.credentials += _blocks(data, start + 3 + data[start + 2], stop)
        else:
            raise damaged()
        if not blocks:
            break
        start = stop
    raise layout.too_complex()


def _table(flags: int) -> int:
    """Return the bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip(data: bytes, position: int, blocks: int) -> tuple[int, int]:
    """Return the end of a row of blocks, each headed by its length.

    Beside it is how many blocks may still come, 0 if there are too many.
    """
    while (size := data[position]) and blocks:
        position += size + 1
        blocks -= 1
    return position + 1, blocks


def _blocks(data: bytes, position: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the content of a row of blocks, up to a place."""
    while position < stop and (size := data[position]):
        yield position + 1, position + 1 + size
        position += size + 1


def _is_kept(data: bytes, label: int) -> bool:
    if data[label] == APPLICATION:
        return data.startswith(KEPT, label + 2)
    return data[label] in (CONTROL, TEXT)
