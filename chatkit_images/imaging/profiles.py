"""Colour profiles (ICC), read as far as it takes to know what they can be used for."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

# Bytes before the table of tags.
HEADER = 128
# Those of printers have one or two megabytes.
MAX_BYTES = 4 * 2**20
MAX_TAGS = 100
# Of a screen, a scanner, a printer, and of a space. The others describe no pixels.
CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")
# The spaces of colour by which profiles are connected.
CONNECTIONS = (b"XYZ ", b"Lab ")
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
# Chains of steps, as many as fit into the file, and all are taken for each colour of a
# table. Real profiles that have them have plain tables, too.
CHAINS = frozenset(b"D2B0 D2B1 D2B2 D2B3 B2D0 B2D1 B2D2 B2D3".split())
TABLES = frozenset(b"A2B0 A2B1 A2B2".split())
MATRIX, CURVES = (b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC")
# Numbers have sixteen bits behind the point.
ONE = 65536
# Red, green and blue in X, Y and Z, seen in light of D50.
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
# As ICC's function of type 3 has it: g, a, b, c and d.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# Where curves are compared, and how far they may be apart.
PROBES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
NEAR = 0.002


def space_of(profile: bytes) -> str:
    """Return the mode of the pixels that a profile describes, empty if it is unusable.

    Unusable is also one over which a converter could take long.
    """
    if not HEADER + 4 <= len(profile) <= MAX_BYTES or profile[36:40] != b"acsp":
        return ""
    if profile[12:16] not in CLASSES or profile[20:24] not in CONNECTIONS:
        return ""
    (count,) = struct.unpack_from(">I", profile, HEADER)
    if count > MAX_TAGS or CHAINS.intersection(_tags(profile)):
        return ""
    return SPACES.get(profile[16:20], "")


def is_srgb(profile: bytes) -> bool:
    """Whether a profile is that of sRGB by its numbers, whatever its name is."""
    tags = _tags(profile)
    if profile[16:20] != b"RGB " or TABLES.intersection(tags):
        return False
    try:
        colours = [struct.unpack_from(">8x3i", tags[name]) for name in MATRIX]
        curves = [_samples(tags[name]) for name in CURVES]
    except (KeyError, struct.error, ValueError, ArithmeticError, IndexError):
        return False
    right = list(samples(SRGB_CURVE))
    found = [part / ONE for colour in colours for part in colour]
    return _are_near(found, [part for colour in SRGB for part in colour]) and all(
        _are_near(curve, right) for curve in curves
    )


def samples(curve: Sequence[float]) -> Iterator[float]:
    """Yield the values of a curve at ``PROBES``.

    Args:
        curve: g, a, b, c and d of ICC's function of type 3.
    """
    power, a, b, c, d = curve
    for each in PROBES:
        yield (a * each + b) ** power if each >= d else c * each


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, HEADER)
    table = profile[HEADER + 4 :][: 12 * min(count, MAX_TAGS)]
    whole = len(table) // 12 * 12
    return {
        name: profile[start : start + size]
        for name, start, size in struct.iter_unpack(">4sII", table[:whole])
    }


def _samples(tag: bytes) -> list[float]:
    (number,) = struct.unpack_from(">8xH", tag)
    if tag.startswith(b"para") and number == 3:
        found = struct.unpack_from(">12x5i", tag)
        return list(samples([value / ONE for value in found]))
    (count,) = struct.unpack_from(">8xI", tag)
    if not tag.startswith(b"curv") or count > len(tag):
        raise ValueError
    values = struct.unpack_from(f">12x{count}H", tag)
    return [values[round(each * (count - 1))] / 65535 for each in PROBES]


def _are_near(some: Sequence[float], others: Sequence[float]) -> bool:
    return all(abs(a - b) < NEAR for a, b in zip(some, others, strict=True))
