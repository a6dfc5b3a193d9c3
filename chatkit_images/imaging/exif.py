"""The one thing in EXIF that changes what an image looks like."""

from __future__ import annotations

import struct

ORIENTATION = 0x0112
SHORT = 3
PREFIX = b"Exif\0\0"
# Above any real camera's.
MAX_ENTRIES = 1000
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def orientation(data: bytes) -> int:
    """Return what EXIF says about the way up, 1 (as it is) if it is silent.

    Read as browsers read it: from EXIF only, not from XMP.
    """
    data = data.removeprefix(PREFIX)
    order = ORDERS.get(data[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        first = start + 2
        for entry in range(first, first + 12 * min(count, MAX_ENTRIES), 12):
            tag, kind, number, value = struct.unpack_from(f"{order}HHIH", data, entry)
            if tag == ORIENTATION:
                known = (kind, number) == (SHORT, 1) and 1 <= value <= 8
                return int(value) if known else 1
    except struct.error:
        # The EXIF ends early. The image is fine.
        pass
    return 1


def minimal(value: int) -> bytes:
    """Return EXIF that has an orientation and nothing else."""
    header = b"MM\0*" + struct.pack(">IH", 8, 1)
    return header + struct.pack(">HHIHHI", ORIENTATION, SHORT, 1, value, 0, 0)
