"""The container of GIF."""

from __future__ import annotations

import struct

from .layout import Layout, damaged

EXTENSION, FRAME, TRAILER = 0x21, 0x2C, 0x3B
CONTROL, TEXT, APPLICATION = 0xF9, 0x01, 0xFF
# Repetition of an animation, twice, and the colour profile.
KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")


def read(data: bytes) -> Layout:
    """Return the layout of a GIF."""
    layout = Layout()
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    start = 13 + _table(flags)
    layout.keep(0, start)
    while True:
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
            stop = _skip(data, start + 11 + _table(flags))
            layout.keep(start, stop)
            layout.end = stop
        elif code == EXTENSION:
            stop = _skip(data, start + 2)
            if _is_kept(data, start + 1):
                layout.keep(start, stop)
        else:
            raise damaged()
        start = stop


def _table(flags: int) -> int:
    """Return the bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip(data: bytes, position: int) -> int:
    """Return the end of a row of blocks, each headed by its length."""
    while size := data[position]:
        position += size + 1
    return position + 1


def _is_kept(data: bytes, label: int) -> bool:
    if data[label] == APPLICATION:
        return data.startswith(KEPT, label + 2)
    return data[label] in (CONTROL, TEXT)
