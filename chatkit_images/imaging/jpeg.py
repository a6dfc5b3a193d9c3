"""The container of JPEG. If a file has several images, only the first is read."""

from __future__ import annotations

import re
import struct

from . import exif
from .layout import Layout, damaged

# In the coded pixels, 0xFF is followed by 0 or by the number of a restart.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Bytes that are searched at once; other threads have their turn in between.
WINDOW = 2**20
START, END, SCAN, COMMENT, TEMPORARY = 0xD8, 0xD9, 0xDA, 0xFE, 0x01
APP0, APP1, APP11, APP15 = 0xE0, 0xE1, 0xEB, 0xEF
CREDENTIALS = b"JP"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive. No browser shows the others, and arithmetic coding
# takes many times as long.
PLAIN = (0xC0, 0xC1, 0xC2)
PROGRESSIVE = 0xC2
# What decoders need of the application segments: size of a pixel, colour profile,
# colour transform.
KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
JFIF_BYTES = 18
# Above any real image: a profile of 255 pieces, a signed manifest of some megabytes.
MAX_SEGMENTS = 2000
# Real images have ten, and each one, even an empty one, is a pass over all pixels. So
# large images may have fewer, but what libjpeg writes by itself: 14, or 18 for inks.
MAX_SCANS = 32
SCANNED_PIXELS = 500_000_000


def read(data: bytes) -> Layout:
    """Return the layout of a JPEG."""
    layout = Layout(scales=True)
    layout.keep(0, 2)
    position, scans, turned = 2, 0, False
    progressive, components = False, 0
    boxes: set[bytes] = set()
    for _ in range(MAX_SEGMENTS):
        start = _marker(data, position)
        code = data[start + 1]
        if code == END and scans and layout.width and layout.height:
            layout.keep(start, start + 2)
            layout.end = start + 2
            return layout
        if code in (START, END):
            raise damaged()
        if code == TEMPORARY:
            position = start + 2
            continue
        (length,) = struct.unpack_from(">H", data, start + 2)
        position = start + 2 + length
        if length < 2 or position > len(data):
            raise damaged()
        if code == SCAN:
            scans += 1
            if scans > _most_scans(layout, components):
                raise layout.too_complex()
            if scans == 1 and not progressive and data[start + 4] == components:
                # It has all there is of each row, so rows are decoded one by one.
                layout.held = 0
            position = _marker(data, position)
            layout.keep(start, position)
        elif code == APP1 and not turned and data.startswith(exif.PREFIX, start + 4):
            turned = True
            layout.orientation = exif.orientation(data[start + 4 : position])
            if layout.orientation > 1:
                layout.put(_exif(layout.orientation))
        elif code == APP0 and position - start > JFIF_BYTES:
            # JFIF may have a thumbnail, which may show what was cut from the image.
            if data.startswith(KEPT[APP0], start + 4):
                body = data[start + 4 : start + JFIF_BYTES - 2]
                layout.put(b"\xff\xe0\x00\x10" + body + b"\0\0")
        elif _is_kept(data, code, start + 4):
            layout.keep(start, position)
        elif code == APP11 and data.startswith(CREDENTIALS, start + 4):
            # The number of the box, that of the segment, and from the second segment on
            # the head of the box once more.
            number = data[start + 6 : start + 8]
            layout.credentials.append(
                (start + (20 if number in boxes else 12), position)
            )
            boxes.add(number)
        if code in FRAMES and not scans:
            layout.height, layout.width = struct.unpack_from(">HH", data, start + 5)
            if code not in PLAIN:
                raise layout.too_complex()
            # Depth and number of components; four are CMYK, one is grey.
            layout.is_plain = (data[start + 4], data[start + 9]) == (8, 3)
            progressive, components = code == PROGRESSIVE, data[start + 9]
            layout.depth = 1 if components == 1 else 4
            layout.held = _coefficients(data, start + 9)
    raise layout.too_complex()


def _most_scans(layout: Layout, components: int) -> int:
    pixels = layout.width * layout.height or 1
    return max(2 + 4 * max(3, components), min(MAX_SCANS, SCANNED_PIXELS // pixels))


def _coefficients(data: bytes, position: int) -> float:
    """Return the bytes that a decoder keeps of a pixel until its last scan is read.

    Two for each component, of which those of colours often are fewer.
    """
    factors = data[position + 2 : position + 1 + 3 * data[position] : 3]
    if not factors:
        raise damaged()
    sizes = [((factor >> 4) or 1, (factor & 15) or 1) for factor in factors]
    across, down = (max(sides) for sides in zip(*sizes, strict=True))
    samples = sum(wide * high for wide, high in sizes)
    return float(2 * samples / (across * down))


def _marker(data: bytes, position: int) -> int:
    """Return where the next segment begins; what is before it has no meaning."""
    while position < len(data):
        if match := MARKER.search(data, position, position + WINDOW + 1):
            return match.start()
        position += WINDOW
    raise damaged()


def _is_kept(data: bytes, code: int, body: int) -> bool:
    if code == COMMENT:
        return False
    return not APP0 <= code <= APP15 or (
        code in KEPT and data.startswith(KEPT[code], body)
    )


def _exif(orientation: int) -> bytes:
    body = exif.PREFIX + exif.minimal(orientation)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
