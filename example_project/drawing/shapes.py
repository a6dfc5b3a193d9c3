"""Polygons that Pillow and SVG can both draw, and the colours they have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

WHITE: Colour = (252, 247, 240)
INK: Colour = (38, 32, 44)
SNOW: Colour = (246, 249, 255)
#: Lamplight, which the night does not darken.
LAMP: Colour = (255, 214, 120)

#: The colours a prompt can name.
COLOURS: dict[str, Colour] = {
    "red": (212, 62, 44),
    "orange": (238, 130, 52),
    "yellow": (246, 200, 70),
    "gold": (232, 178, 60),
    "golden": (232, 178, 60),
    "green": (84, 158, 92),
    "turquoise": (52, 170, 168),
    "blue": (66, 118, 206),
    "purple": (132, 88, 184),
    "violet": (132, 88, 184),
    "pink": (236, 128, 164),
    "white": (240, 240, 244),
    "black": (52, 54, 66),
    "brown": (142, 94, 62),
    "grey": (138, 146, 160),
    "gray": (138, 146, 160),
}


@dataclass(frozen=True)
class Shape:
    """A filled polygon; the canvas is one unit high and y grows downwards.

    A soft shape is a light instead, strongest in the middle of the polygon.
    """

    points: tuple[Point, ...]
    fill: Colour
    alpha: float = 1.0
    soft: bool = False

    def moved(self, x: float, y: float, scale: float, flip: bool = False) -> Shape:
        """Return the shape scaled, mirrored if wanted, and put at (x, y)."""
        side = -scale if flip else scale
        points = tuple((x + side * px, y + scale * py) for px, py in self.points)
        return replace(self, points=points)

    def tinted(self, colour: Colour, amount: float) -> Shape:
        """Return the shape with its fill mixed towards a colour."""
        return replace(self, fill=mix(self.fill, colour, amount))


def mix(first: Colour, second: Colour, amount: float) -> Colour:
    """Return a colour between two, `amount` of the way to the second."""
    red, green, blue = (
        round(a + (b - a) * amount) for a, b in zip(first, second, strict=True)
    )
    return red, green, blue


def light(colour: Colour, amount: float = 0.25) -> Colour:
    """Return a lighter shade."""
    return mix(colour, (255, 250, 240), amount)


def dark(colour: Colour, amount: float = 0.25) -> Colour:
    """Return a darker, slightly bluish shade."""
    return mix(colour, (24, 20, 48), amount)


def polygon(points: Iterable[Point], fill: Colour, alpha: float = 1.0) -> Shape:
    """Return a shape with straight edges."""
    return Shape(tuple(points), fill, alpha)


def blob(points: Sequence[Point], fill: Colour, alpha: float = 1.0) -> Shape:
    """Return a shape whose outline runs smoothly through all the points."""
    return Shape(tuple(_spline(points)), fill, alpha)


def oval(
    x: float,
    y: float,
    rx: float,
    ry: float,
    fill: Colour,
    alpha: float = 1.0,
    turn: float = 0.0,
) -> Shape:
    """Return an ellipse, turned clockwise by `turn` radians."""
    count = 20 if rx < 0.02 else 56
    sin, cos = math.sin(turn), math.cos(turn)
    points = []
    for number in range(count):
        angle = math.tau * number / count
        px, py = rx * math.cos(angle), ry * math.sin(angle)
        points.append((x + px * cos - py * sin, y + px * sin + py * cos))
    return Shape(tuple(points), fill, alpha)


def disc(x: float, y: float, radius: float, fill: Colour, alpha: float = 1.0) -> Shape:
    """Return a circle."""
    return oval(x, y, radius, radius, fill, alpha)


def stroke(points: Sequence[Point], width: float, fill: Colour) -> Shape:
    """Return a line of even width through the points."""
    left, right = [], []
    for number, (x, y) in enumerate(points):
        before = points[max(0, number - 1)]
        after = points[min(len(points) - 1, number + 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length * width / 2, dx / length * width / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return polygon(left + right[::-1], fill)


def glow(x: float, y: float, radius: float, fill: Colour, strength: float) -> Shape:
    """Return a light that fades towards its rim."""
    return replace(disc(x, y, radius, fill, strength), soft=True)


def mirrored(points: list[Point]) -> list[Point]:
    """Return the outline as seen in a mirror."""
    return [(-x, y) for x, y in reversed(points)]


def _spline(points: Sequence[Point], pieces: int = 8) -> list[Point]:
    # A closed Catmull-Rom curve: it passes through the given points, which makes
    # outlines easy to draw up by hand.
    count = len(points)
    curve = []
    for number in range(count):
        p0, p1, p2, p3 = (points[(number + k - 1) % count] for k in range(4))
        for piece in range(pieces):
            t = piece / pieces
            x, y = (
                0.5
                * (
                    2 * b
                    + (c - a) * t
                    + (2 * a - 5 * b + 4 * c - d) * t**2
                    + (3 * b - a - 3 * c + d) * t**3
                )
                for a, b, c, d in zip(p0, p1, p2, p3, strict=True)
            )
            curve.append((x, y))
    return curve
