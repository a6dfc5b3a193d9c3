"""Animals, each one unit high and sitting on the origin."""

from __future__ import annotations

from .shapes import (
    INK,
    WHITE,
    Colour,
    Point,
    Shape,
    blob,
    dark,
    disc,
    light,
    mirrored,
    oval,
    polygon,
    stroke,
)


def fox(colour: Colour | None = None) -> list[Shape]:
    """Return a sitting fox with its tail laid around."""
    coat = colour or (232, 116, 44)
    shade, sock = dark(coat, 0.22), dark(coat, 0.72)
    tail = [
        (0.04, -0.10),
        (0.16, -0.01),
        (0.34, -0.01),
        (0.50, -0.10),
        (0.56, -0.28),
        (0.50, -0.46),
        (0.39, -0.56),
        (0.38, -0.42),
        (0.36, -0.28),
        (0.26, -0.20),
        (0.14, -0.22),
    ]
    tip = [(0.553, -0.33), (0.50, -0.46), (0.39, -0.56), (0.38, -0.42), (0.46, -0.37)]
    body = [
        (-0.15, 0.0),
        (-0.25, -0.10),
        (-0.22, -0.28),
        (-0.14, -0.46),
        (0.0, -0.56),
        (0.14, -0.46),
        (0.22, -0.28),
        (0.25, -0.10),
        (0.15, 0.0),
    ]
    haunch = [(0.10, -0.01), (0.11, -0.17), (0.19, -0.23), (0.25, -0.12), (0.22, -0.01)]
    leg = [
        (-0.115, 0.0),
        (-0.12, -0.20),
        (-0.065, -0.30),
        (-0.015, -0.20),
        (-0.02, 0.0),
    ]
    chest = [
        (0.0, -0.19),
        (-0.07, -0.29),
        (-0.13, -0.44),
        (0.0, -0.56),
        (0.13, -0.44),
        (0.07, -0.29),
    ]
    head = [
        (0.0, -0.43),
        (-0.10, -0.49),
        (-0.21, -0.55),
        (-0.315, -0.585),
        (-0.25, -0.70),
        (-0.15, -0.80),
        (0.0, -0.83),
        (0.15, -0.80),
        (0.25, -0.70),
        (0.315, -0.585),
        (0.21, -0.55),
        (0.10, -0.49),
    ]
    ear = [
        (-0.255, -0.68),
        (-0.27, -0.86),
        (-0.235, -1.0),
        (-0.13, -0.90),
        (-0.05, -0.79),
    ]
    inner = [
        (-0.225, -0.74),
        (-0.235, -0.85),
        (-0.218, -0.93),
        (-0.15, -0.86),
        (-0.11, -0.79),
    ]
    cheek = [
        (0.0, -0.435),
        (-0.10, -0.49),
        (-0.21, -0.55),
        (-0.31, -0.585),
        (-0.21, -0.625),
        (-0.115, -0.615),
        (-0.05, -0.60),
        (0.0, -0.55),
    ]
    return [
        oval(0.08, 0.0, 0.44, 0.035, INK, 0.18),
        blob(tail, coat),
        blob(tip, WHITE),
        blob(body, coat),
        *_both(haunch, shade),
        blob(chest, WHITE),
        *_both(leg, light(coat, 0.06)),
        oval(-0.068, -0.035, 0.05, 0.042, sock),
        oval(0.068, -0.035, 0.05, 0.042, sock),
        *_both(ear, coat, smooth=False),
        *_both(inner, sock, smooth=False),
        blob(head, coat),
        *_both(cheek, WHITE),
        oval(-0.118, -0.665, 0.030, 0.036, INK),
        oval(0.118, -0.665, 0.030, 0.036, INK),
        disc(-0.108, -0.678, 0.010, WHITE),
        disc(0.128, -0.678, 0.010, WHITE),
        oval(0.0, -0.478, 0.042, 0.030, INK),
        oval(-0.01, -0.487, 0.013, 0.008, WHITE, 0.7),
    ]


def cat(colour: Colour | None = None) -> list[Shape]:
    """Return a sitting cat with a raised tail."""
    coat = colour or (124, 128, 146)
    shade, pink = dark(coat, 0.25), (236, 150, 150)
    tail = [
        (0.12, -0.02),
        (0.26, -0.05),
        (0.37, -0.16),
        (0.38, -0.32),
        (0.31, -0.44),
        (0.34, -0.55),
    ]
    body = [
        (-0.16, 0.0),
        (-0.25, -0.12),
        (-0.21, -0.32),
        (-0.12, -0.50),
        (0.12, -0.50),
        (0.21, -0.32),
        (0.25, -0.12),
        (0.16, 0.0),
    ]
    head = [
        (0.0, -0.45),
        (-0.17, -0.49),
        (-0.26, -0.62),
        (-0.22, -0.77),
        (-0.10, -0.84),
        (0.10, -0.84),
        (0.22, -0.77),
        (0.26, -0.62),
        (0.17, -0.49),
    ]
    ear = [(-0.25, -0.66), (-0.25, -1.0), (-0.03, -0.81)]
    inner = [(-0.215, -0.74), (-0.218, -0.92), (-0.09, -0.81)]
    shapes = [
        oval(0.05, 0.0, 0.36, 0.03, INK, 0.18),
        *(disc(x, y, 0.045, coat) for x, y in _along(tail)),
        disc(0.34, -0.55, 0.045, light(coat, 0.5)),
        blob(body, coat),
        oval(0.0, -0.27, 0.105, 0.19, light(coat, 0.45)),
        oval(-0.075, -0.10, 0.055, 0.11, light(coat, 0.10)),
        oval(0.075, -0.10, 0.055, 0.11, light(coat, 0.10)),
        oval(-0.08, -0.03, 0.068, 0.035, WHITE),
        oval(0.08, -0.03, 0.068, 0.035, WHITE),
        *_both(ear, coat, smooth=False),
        *_both(inner, pink, smooth=False),
        blob(head, coat),
    ]
    for x, depth in ((-0.07, 0.07), (0.0, 0.10), (0.07, 0.07)):
        shapes.append(
            polygon([(x - 0.02, -0.835), (x + 0.02, -0.835), (x, -0.84 + depth)], shade)
        )
    shapes += [
        oval(-0.055, -0.535, 0.07, 0.055, light(coat, 0.6)),
        oval(0.055, -0.535, 0.07, 0.055, light(coat, 0.6)),
    ]
    for side in (-1, 1):
        shapes += [
            oval(side * 0.115, -0.645, 0.048, 0.052, (196, 214, 110)),
            oval(side * 0.115, -0.645, 0.018, 0.046, INK),
            disc(side * 0.115 + 0.014, -0.664, 0.011, WHITE),
            stroke([(side * 0.10, -0.545), (side * 0.36, -0.575)], 0.007, WHITE),
            stroke([(side * 0.10, -0.525), (side * 0.35, -0.515)], 0.007, WHITE),
        ]
    return [*shapes, polygon([(-0.03, -0.58), (0.03, -0.58), (0.0, -0.55)], pink)]


def _both(points: list[Point], fill: Colour, smooth: bool = True) -> list[Shape]:
    make = blob if smooth else polygon
    return [make(points, fill), make(mirrored(points), fill)]


def _along(points: list[Point], pieces: int = 10) -> list[Point]:
    return [
        (ax + (bx - ax) * k / pieces, ay + (by - ay) * k / pieces)
        for (ax, ay), (bx, by) in zip(points, points[1:], strict=False)
        for k in range(pieces)
    ]
