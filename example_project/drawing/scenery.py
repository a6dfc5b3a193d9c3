"""Landscapes and the subjects that stand in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from . import animals, things
from .shapes import (
    LAMP,
    SNOW,
    Colour,
    Point,
    Shape,
    dark,
    disc,
    light,
    mix,
    oval,
    polygon,
)
from .sky import Mood, clouds, lamp, mood_of, snowfall, stars
from .wishes import Wish

NIGHT_TINT: Colour = (22, 26, 70)

#: How large the subjects are when there are none, one, two and more of them.
FITS = (1.0, 1.0, 0.86, 0.72, 0.6)


@dataclass
class Scene:
    """A gradient sky with shapes on it, the last shape on top."""

    sky: tuple[Colour, Colour, Colour]
    behind: list[Shape] = field(default_factory=list)
    subjects: list[Shape] = field(default_factory=list)
    before: list[Shape] = field(default_factory=list)

    @property
    def shapes(self) -> list[Shape]:
        """Return all shapes in drawing order."""
        return [*self.behind, *self.subjects, *self.before]


def landscape(wish: Wish, width: float, chance: Random) -> Scene:
    """Return the scene of a wish, `width` times as wide as high."""
    mood = mood_of(wish, chance)
    scene = Scene(mood.sky)
    if wish.night:
        scene.behind += stars(width, 0.62, chance)
    place = (width * chance.choice((0.2, 0.8)), chance.uniform(0.15, 0.22))
    scene.behind += lamp(*place, mood, wish.night)
    if not wish.night:
        scene.behind += clouds(width, mood, chance)
    scene.behind += hills(wish, width, mood, chance)
    if wish.water:
        scene.behind += water(width, mood, place[0], chance)
        if {name for name, _ in wish.subjects} - {"boat"}:
            scene.behind.append(_bank(width, 0.86, mood.ground, chance))
    else:
        scene.behind += ground(wish, width, mood, chance)
    scene.subjects = standing(wish, width, chance)
    if wish.night:
        scene.subjects = [by_night(shape) for shape in scene.subjects]
    if wish.snow:
        # Most flakes fall behind, so that faces stay clear.
        scene.behind += snowfall(width, chance, 90)
        scene.before += snowfall(width, chance, 26)
    return scene


def hills(wish: Wish, width: float, mood: Mood, chance: Random) -> list[Shape]:
    """Return ranges of hills that fade with the distance, firs on the nearest."""
    shapes = []
    for layer in range(3):
        near = layer / 2
        base = 0.55 + 0.075 * layer
        colour = mix(mood.far, mix(mood.ground, mood.far, 0.45), near)
        colour = mix(colour, mood.sky[2], 0.35 * (1 - near))
        line = _ridge(width, base, 0.075 - 0.015 * layer, chance)
        if layer == 2:
            shapes += _firs(wish, width, line, mood, chance)
        shapes.append(polygon([(0.0, 1.0), *line, (width, 1.0)], colour))
    return shapes


def ground(wish: Wish, width: float, mood: Mood, chance: Random) -> list[Shape]:
    """Return the meadow or snow in front, with flowers where it is green."""
    shapes = []
    for base, tone in ((0.755, light(mood.ground, 0.12)), (0.86, mood.ground)):
        shapes.append(_bank(width, base, tone, chance))
    if wish.snow:
        for _ in range(7):
            x, y = width * chance.random(), chance.uniform(0.8, 0.98)
            shapes.append(oval(x, y, 0.13, 0.012, dark(mood.ground, 0.1), 0.4))
    else:
        petals = [(255, 244, 214), (250, 206, 90), (240, 150, 140), (206, 170, 226)]
        for _ in range(round(60 * width)):
            x, y = width * chance.random(), chance.uniform(0.80, 0.99)
            tall = 0.012 + 0.03 * (y - 0.8)
            blade = [
                (x - 0.003, y),
                (x + chance.uniform(-0.01, 0.01), y - tall * 1.6),
                (x + 0.003, y),
            ]
            shapes.append(polygon(blade, dark(mood.ground, 0.18), 0.7))
            if chance.random() < (0.1 if wish.night else 0.35):
                shapes.append(disc(x, y - tall, 0.0055, chance.choice(petals)))
    return shapes


def water(width: float, mood: Mood, shine: float, chance: Random) -> list[Shape]:
    """Return a lake with ripples, the sun or moon glittering on it."""
    top, low = (
        mix(mood.sky[1], (40, 110, 150), 0.35),
        mix(mood.sky[0], (16, 70, 110), 0.5),
    )
    shapes = []
    for band in range(16):
        y = 0.70 + 0.30 * band / 16
        colour = mix(top, low, band / 15)
        shapes.append(polygon([(0.0, y), (width, y), (width, 1.0), (0.0, 1.0)], colour))
    for _ in range(70):
        near = chance.random()
        x, y = width * chance.random(), 0.71 + 0.29 * near
        shapes.append(oval(x, y, 0.02 + 0.05 * near, 0.0018, light(top, 0.5), 0.45))
    for _ in range(40):
        near = chance.random()
        x, y = shine + chance.gauss(0, 0.02 + 0.05 * near), 0.71 + 0.28 * near
        shapes.append(oval(x, y, 0.02 + 0.02 * near, 0.0025, mood.lamp, 0.55))
    return shapes


def standing(wish: Wish, width: float, chance: Random) -> list[Shape]:
    """Return the subjects: large things behind, animals in front."""
    makers: dict[str, Callable[[Colour | None], list[Shape]]] = {
        "tree": lambda colour: things.tree(
            colour, wish.night, wish.snow, wish.pine, wish.autumn
        ),
        "house": lambda colour: things.house(colour, wish.night, wish.snow),
        "boat": things.boat,
        "cat": animals.cat,
        "fox": animals.fox,
    }
    heights = {"tree": 0.66, "house": 0.52, "boat": 0.58, "cat": 0.46, "fox": 0.56}
    feet = {"tree": 0.87, "house": 0.86, "boat": 0.80, "cat": 0.95, "fox": 0.94}
    order = list(makers)
    wanted = sorted(wish.subjects, key=lambda one: order.index(one[0]))
    fit = min(1.0, width * 1.1) * FITS[min(len(wanted), len(FITS) - 1)]
    flip = chance.random() < 0.5
    shapes = []
    for number, (name, colour) in enumerate(wanted):
        spot = 0.5 + ((number + 0.5) / len(wanted) - 0.5) * 0.86
        x = width * ((1 - spot) if flip else spot)
        x += chance.uniform(-0.02, 0.02) * width
        mirrored = flip if len(wanted) < 2 else x > width / 2
        scale = heights[name] * fit * chance.uniform(0.92, 1.0)
        for shape in makers[name](colour):
            shapes.append(shape.moved(x, feet[name], scale, mirrored))
    return shapes


def by_night(shape: Shape) -> Shape:
    """Return the shape in moonlight; lamps shine on."""
    return shape if shape.fill == LAMP else shape.tinted(NIGHT_TINT, 0.26)


def _bank(width: float, base: float, colour: Colour, chance: Random) -> Shape:
    line = _ridge(width, base, 0.022, chance)
    return polygon([(0.0, 1.0), *line, (width, 1.0)], colour)


def _ridge(width: float, base: float, swing: float, chance: Random) -> list[Point]:
    waves = [
        (
            swing / k,
            chance.uniform(0.8, 1.4) * k * math.tau,
            chance.uniform(0, math.tau),
        )
        for k in (1, 2, 3)
    ]
    count = 60
    return [
        (
            width * k / count,
            base
            + sum(a * math.sin(f * k / count * 0.8 * width + p) for a, f, p in waves)
            * 0.6,
        )
        for k in range(count + 1)
    ]


def _firs(
    wish: Wish, width: float, line: list[Point], mood: Mood, chance: Random
) -> list[Shape]:
    green = mix(dark(mix((52, 112, 86), mood.ground, 0.2), 0.2), mood.far, 0.45)
    if wish.night:
        green = mix(green, NIGHT_TINT, 0.5)
    shapes: list[Shape] = []
    for _ in range(round(16 * width)):
        x, y = chance.choice(line)
        tall = chance.uniform(0.05, 0.11)
        for top, low, wide in (
            (-1.0, -0.45, 0.2),
            (-0.75, -0.2, 0.28),
            (-0.5, 0.15, 0.36),
        ):
            fir = [(0.0, top), (-wide, low), (wide, low)]
            shapes.append(polygon(fir, green).moved(x, y, tall))
        if wish.snow:
            cap = polygon([(0.0, -1.0), (-0.1, -0.7), (0.1, -0.7)], SNOW, 0.8)
            shapes.append(cap.moved(x, y, tall))
    return shapes
