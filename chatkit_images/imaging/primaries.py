"""Colour profiles made of what a PNG says in few numbers: gAMA, cHRM and cICP."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from .profiles import CURVES, HEADER, MATRIX, ONE, SRGB_CURVE

D50 = (0.9642, 1.0, 0.8249)
D65 = (0.3127, 0.329)
# How light of one colour is turned into that of another, as profiles do it.
BRADFORD = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)
# x and y of white, red, green and blue.
SRGB_PRIMARIES = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
# By the numbers of H.273, which cICP has.
PRIMARIES = {
    1: SRGB_PRIMARIES,
    5: (*D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# The curves of high dynamic range, 16 and 18, have more light than sRGB can show.
TRANSFERS = {
    1: BT709,
    4: (2.2,),
    5: (2.8,),
    6: BT709,
    8: (1.0,),
    13: SRGB_CURVE,
    14: BT709,
    15: BT709,
}
# A gamma of so much, with five per cent on each side, stands for the curve of sRGB.
GAMMA, SLACK = 0.45455, 0.05
GAMMAS = (0.1, 10.0)
Matrix = Sequence[Sequence[float]]


def coded(body: bytes) -> bytes | None:
    """Return the profile that a cICP chunk stands for, empty for sRGB.

    ``None`` if it stands for none, or for one of high dynamic range.
    """
    if len(body) != 4 or body[2:] != b"\x00\x01":
        return None
    primaries, transfer = PRIMARIES.get(body[0]), TRANSFERS.get(body[1])
    if primaries is None or transfer is None:
        return None
    is_srgb = primaries is SRGB_PRIMARIES and transfer is SRGB_CURVE
    return b"" if is_srgb else made(primaries, transfer)


def measured(gamma: bytes | None, chromaticities: bytes | None) -> bytes:
    """Return the profile of a gAMA and a cHRM chunk, empty for that of sRGB.

    Numbers that no screen could have are ignored.
    """
    curve: tuple[float, ...] = SRGB_CURVE
    primaries: Sequence[float] = SRGB_PRIMARIES
    if gamma is not None and len(gamma) == 4:
        value = int.from_bytes(gamma, "big") / 100_000
        if GAMMAS[0] <= value <= GAMMAS[1] and abs(value / GAMMA - 1) > SLACK:
            curve = (1 / value,)
    if chromaticities is not None and len(chromaticities) == 32:
        found = [each / 100_000 for each in struct.unpack(">8I", chromaticities)]
        pairs = zip(found, SRGB_PRIMARIES, strict=True)
        if any(abs(a - b) > 0.002 for a, b in pairs):
            primaries = found
    if curve is SRGB_CURVE and primaries is SRGB_PRIMARIES:
        return b""
    try:
        return made(primaries, curve)
    except (ArithmeticError, struct.error):
        return b""


def made(primaries: Sequence[float], curve: Sequence[float]) -> bytes:
    """Return the profile of a screen.

    Args:
        primaries: x and y of white, red, green and blue.
        curve: The exponent alone, or g, a, b, c and d of ICC's function of type 3.

    Raises:
        ArithmeticError: If there are no such colours.
        struct.error: If a number is too large for a profile.
    """
    pairs = zip(primaries[::2], primaries[1::2], strict=True)
    white, *colours = ([x / y, 1.0, (1 - x - y) / y] for x, y in pairs)
    shares = _times(_inverse(_turned(colours)), white)
    cones = zip(_times(BRADFORD, D50), _times(BRADFORD, white), strict=True)
    ratios = [there / here for there, here in cones]
    back = _inverse(BRADFORD)
    tags = {b"wtpt": _tag(b"XYZ ", *D50)}
    for name, colour, share in zip(MATRIX, colours, shares, strict=True):
        seen = _times(BRADFORD, [share * part for part in colour])
        turned = [ratio * part for ratio, part in zip(ratios, seen, strict=True)]
        tags[name] = _tag(b"XYZ ", *_times(back, turned))
    kind = struct.pack(">4sxxxxHxx", b"para", 3 if len(curve) > 1 else 0)
    tags |= dict.fromkeys(CURVES, kind + b"".join(map(_fixed, curve)))
    place = HEADER + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, place + len(bodies), len(body))
        bodies += body
    light = b"".join(map(_fixed, D50))
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x",
        *(place + len(bodies), 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp", light),
    )
    return head + table + bodies


def _tag(kind: bytes, *values: float) -> bytes:
    return kind + bytes(4) + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * ONE))


def _turned(matrix: Matrix) -> Matrix:
    return list(zip(*matrix, strict=True))


def _times(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    first = e * i - f * h, c * h - b * i, b * f - c * e
    second = f * g - d * i, a * i - c * g, c * d - a * f
    third = d * h - e * g, b * g - a * h, a * e - b * d
    size = a * first[0] + b * second[0] + c * third[0]
    return [[each / size for each in row] for row in (first, second, third)]
