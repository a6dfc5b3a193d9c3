"""Times of day, the lights in the sky and what falls from it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .shapes import Colour, Shape, dark, disc, glow, light, oval
from .wishes import Wish

MOON: Colour = (250, 244, 220)


@dataclass(frozen=True)
class Mood:
    """The colours of a time of day."""

    sky: tuple[Colour, Colour, Colour]
    far: Colour
    ground: Colour
    lamp: Colour


DAYS = (
    Mood(
        ((104, 178, 222), (172, 216, 234), (246, 236, 214)),
        (150, 188, 190),
        (122, 176, 98),
        (255, 232, 150),
    ),
    Mood(
        ((126, 190, 210), (198, 226, 220), (255, 232, 196)),
        (168, 192, 178),
        (148, 180, 92),
        (255, 222, 140),
    ),
    Mood(
        ((112, 160, 214), (178, 204, 232), (250, 222, 208)),
        (158, 176, 202),
        (112, 166, 112),
        (255, 236, 176),
    ),
)
SUNSET = Mood(
    ((92, 74, 142), (236, 130, 112), (255, 206, 128)),
    (150, 98, 136),
    (104, 92, 102),
    (255, 224, 150),
)
NIGHT = Mood(
    ((12, 16, 48), (32, 42, 98), (88, 94, 152)), (44, 52, 104), (36, 58, 72), MOON
)
SNOWY = Mood(
    ((138, 182, 214), (194, 218, 234), (244, 236, 236)),
    (182, 202, 222),
    (240, 245, 252),
    (255, 240, 200),
)


def mood_of(wish: Wish, chance: Random) -> Mood:
    """Return the colours that fit the wish."""
    day = chance.choice(DAYS)
    if wish.night:
        snowy_night = Mood(NIGHT.sky, (70, 82, 140), (150, 168, 214), MOON)
        return snowy_night if wish.snow else NIGHT
    if wish.sunset:
        return SUNSET
    if wish.snow:
        return SNOWY
    if wish.autumn:
        return Mood(day.sky, (196, 164, 140), (206, 152, 82), day.lamp)
    return day


def stars(width: float, depth: float, chance: Random, count: int = 90) -> list[Shape]:
    """Return stars of several sizes, fewer towards the horizon."""
    found = []
    for _ in range(round(count * width)):
        y = depth * chance.random() ** 1.5
        radius = chance.choice((0.0014, 0.002, 0.002, 0.003))
        alpha = chance.uniform(0.45, 1.0) * (1 - y / depth * 0.6)
        found.append(disc(width * chance.random(), y, radius, (255, 252, 235), alpha))
    return found


def lamp(x: float, y: float, mood: Mood, night: bool) -> list[Shape]:
    """Return the sun, or the moon with its craters."""
    shapes = [glow(x, y, 0.42, mood.lamp, 0.5 if night else 0.9)]
    if not night:
        return [*shapes, disc(x, y, 0.075, light(mood.lamp, 0.35))]
    crater = dark(mood.lamp, 0.12)
    return [
        *shapes,
        disc(x, y, 0.07, mood.lamp),
        disc(x - 0.025, y - 0.018, 0.016, crater, 0.6),
        disc(x + 0.022, y + 0.018, 0.021, crater, 0.6),
        disc(x + 0.018, y - 0.032, 0.010, crater, 0.6),
    ]


def clouds(width: float, mood: Mood, chance: Random) -> list[Shape]:
    """Return a few flat-bottomed clouds."""
    white = light(mood.sky[2], 0.6)
    shapes = []
    for _ in range(chance.randint(2, 4)):
        x, y = width * chance.uniform(0.05, 0.95), chance.uniform(0.08, 0.34)
        size = chance.uniform(0.035, 0.06)
        for dx, dy, r in (
            (-1.6, 0.25, 0.6),
            (-0.7, -0.2, 0.95),
            (0.5, -0.4, 1.15),
            (1.6, 0.2, 0.7),
        ):
            shapes.append(
                oval(
                    x + dx * size, y + dy * size, r * size * 1.25, r * size * 0.8, white
                )
            )
        shapes.append(oval(x, y + 0.45 * size, 2.6 * size, 0.45 * size, white))
    return shapes


def snowfall(width: float, chance: Random, count: int = 110) -> list[Shape]:
    """Return falling flakes, near ones larger."""
    return [
        disc(
            width * chance.random(),
            chance.random(),
            0.0025 + 0.007 * chance.random() ** 3,
            (255, 255, 255),
            chance.uniform(0.6, 0.95),
        )
        for _ in range(round(count * width))
    ]
