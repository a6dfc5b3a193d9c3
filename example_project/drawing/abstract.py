"""An arrangement of plain shapes, for prompts that name nothing known."""

from __future__ import annotations

import math
from random import Random

from .scenery import Scene
from .shapes import Colour, Point, Shape, disc, light, mix, polygon, stroke
from .wishes import Wish

PALETTES: tuple[tuple[Colour, ...], ...] = (
    ((244, 236, 220), (226, 88, 62), (242, 178, 68), (38, 92, 116), (34, 46, 72)),
    ((236, 240, 238), (44, 138, 134), (244, 156, 112), (250, 212, 140), (58, 60, 98)),
    ((246, 232, 228), (196, 74, 104), (248, 164, 120), (108, 92, 156), (44, 42, 80)),
)


def arrangement(wish: Wish, width: float, chance: Random) -> Scene:
    """Return circles, arcs and bars balanced around the middle."""
    paper, *inks = chance.choice(PALETTES)
    if wish.colour:
        inks = [wish.colour, light(wish.colour, 0.45), *inks[1:]]
    scene = Scene((light(paper, 0.4), paper, mix(paper, inks[1], 0.25)))
    shapes = scene.subjects
    span = min(1.0, width)
    middle = width / 2
    for number in range(7):
        turn = chance.uniform(0, math.tau)
        far = span * chance.uniform(0.08, 0.32)
        x, y = middle + far * math.cos(turn), 0.5 + far * math.sin(turn)
        ink = inks[number % len(inks)]
        radius = span * chance.uniform(0.09, 0.2)
        shapes += _figure(number % 5, x, y, radius, ink, chance)
    for _ in range(14):
        x, y = middle + span * chance.gauss(0, 0.24), 0.5 + span * chance.gauss(0, 0.24)
        shapes.append(
            disc(x, y, span * chance.uniform(0.005, 0.014), chance.choice(inks))
        )
    return scene


def _figure(
    number: int, x: float, y: float, radius: float, ink: Colour, chance: Random
) -> list[Shape]:
    turn = chance.uniform(0, math.tau)
    if number == 0:
        return [disc(x, y, radius * 1.5, ink)]
    if number == 1:
        return [
            disc(
                x, y, radius * (1 - ring / 4), ink if ring % 2 == 0 else light(ink, 0.8)
            )
            for ring in range(4)
        ]
    if number == 2:
        return [polygon(_arc(x, y, radius * 1.4, turn, math.pi), ink, 0.92)]
    if number == 3:
        across = (math.cos(turn) * radius * 1.6, math.sin(turn) * radius * 1.6)
        side = (-math.sin(turn) * 0.032, math.cos(turn) * 0.032)
        return [
            stroke(
                [
                    (x - across[0] + side[0] * k, y - across[1] + side[1] * k),
                    (x + across[0] + side[0] * k, y + across[1] + side[1] * k),
                ],
                0.014,
                ink,
            )
            for k in range(-2, 3)
        ]
    return [polygon(_arc(x, y, radius * 1.6, turn, math.pi / 2, corner=True), ink, 0.9)]


def _arc(
    x: float, y: float, radius: float, start: float, sweep: float, corner: bool = False
) -> list[Point]:
    count = 40
    points = [
        (
            x + radius * math.cos(start + sweep * k / count),
            y + radius * math.sin(start + sweep * k / count),
        )
        for k in range(count + 1)
    ]
    return [*points, (x, y)] if corner else points
