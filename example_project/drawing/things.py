"""Things that stand in a landscape, each one unit high and on the origin."""

from __future__ import annotations

from .shapes import (
    INK,
    LAMP,
    SNOW,
    WHITE,
    Colour,
    Point,
    Shape,
    blob,
    dark,
    disc,
    glow,
    light,
    mirrored,
    mix,
    oval,
    polygon,
    stroke,
)


def house(
    colour: Colour | None = None, night: bool = False, snow: bool = False
) -> list[Shape]:
    """Return a cottage with a smoking chimney, its windows lit at night."""
    wall = colour or (244, 226, 196)
    roof = (176, 74, 62) if colour != (212, 62, 44) else (98, 82, 92)
    pane = LAMP if night else (150, 196, 214)
    door, frame = (122, 82, 60), light(wall, 0.7)
    shapes = [
        oval(0.0, 0.0, 0.60, 0.03, INK, 0.18),
        *(
            disc(
                0.25 + 0.05 * k,
                -1.02 - 0.075 * k,
                0.03 + 0.013 * k,
                WHITE,
                0.55 - 0.12 * k,
            )
            for k in range(4)
        ),
        polygon(
            [(0.20, -0.55), (0.20, -0.96), (0.30, -0.96), (0.30, -0.55)], dark(roof)
        ),
        polygon([(-0.42, 0.0), (-0.42, -0.46), (0.42, -0.46), (0.42, 0.0)], wall),
        polygon([(-0.42, -0.46), (0.0, -0.84), (0.42, -0.46)], mix(wall, roof, 0.12)),
        polygon(
            [(0.18, 0.0), (0.18, -0.46), (0.42, -0.46), (0.42, 0.0)], dark(wall, 0.1)
        ),
        polygon(
            [
                (-0.53, -0.42),
                (0.0, -0.92),
                (0.53, -0.42),
                (0.46, -0.38),
                (0.0, -0.81),
                (-0.46, -0.38),
            ],
            roof,
        ),
        polygon([(-0.08, 0.0), (-0.08, -0.29), (0.08, -0.29), (0.08, 0.0)], door),
        oval(0.0, -0.29, 0.08, 0.06, door),
        disc(0.05, -0.14, 0.013, LAMP),
        disc(0.0, -0.60, 0.075, frame),
        disc(0.0, -0.60, 0.058, pane),
    ]
    for x in (-0.26, 0.28):
        shapes += [
            *([glow(x, -0.25, 0.26, LAMP, 0.7)] if night else []),
            polygon(_box(x, -0.25, 0.095, 0.105), frame),
            polygon(_box(x, -0.25, 0.078, 0.088), pane),
            polygon(_box(x, -0.25, 0.006, 0.09), frame),
            polygon(_box(x, -0.25, 0.08, 0.006), frame),
        ]
    if snow:
        edge = [
            (-0.55, -0.44),
            (0.0, -0.96),
            (0.55, -0.44),
            (0.40, -0.50),
            (0.22, -0.66),
            (0.0, -0.86),
            (-0.22, -0.66),
            (-0.40, -0.50),
        ]
        shapes += [
            polygon(edge, SNOW),
            *(disc(x, y, 0.035, SNOW) for x, y in (edge[0], edge[2])),
            blob(
                [
                    (0.18, -0.95),
                    (0.19, -0.99),
                    (0.25, -1.0),
                    (0.31, -0.99),
                    (0.32, -0.95),
                ],
                SNOW,
            ),
        ]
    return shapes


def tree(
    colour: Colour | None = None,
    night: bool = False,
    snow: bool = False,
    pine: bool = False,
    autumn: bool = False,
) -> list[Shape]:
    """Return a leafy tree, or a fir where it snows."""
    bark = (112, 78, 58)
    shapes = [oval(0.0, 0.0, 0.30, 0.03, INK, 0.18)]
    if pine or snow:
        green = colour or (52, 112, 86)
        shapes.append(
            polygon([(-0.05, 0.0), (-0.04, -0.2), (0.04, -0.2), (0.05, 0.0)], bark)
        )
        for level, (top, low, wide) in enumerate(
            ((-0.58, -0.12, 0.34), (-0.80, -0.36, 0.27), (-1.0, -0.60, 0.20))
        ):
            left = [
                (0.0, top),
                (-wide, low),
                (-wide * 0.5, low + 0.03),
                (0.0, low + 0.045),
            ]
            tone = light(green, 0.07 * level)
            shapes += [polygon(left, tone), polygon(mirrored(left), dark(tone, 0.16))]
            if snow:
                cap = [
                    (0.0, top - 0.012),
                    (-wide * 0.55, top + (low - top) * 0.52),
                    (-wide * 0.28, top + (low - top) * 0.44),
                    (0.0, top + (low - top) * 0.60),
                    (wide * 0.28, top + (low - top) * 0.44),
                    (wide * 0.55, top + (low - top) * 0.52),
                ]
                shapes.append(polygon(cap, SNOW))
        return shapes
    green = colour or ((216, 122, 48) if autumn else (96, 156, 84))
    trunk = [
        (-0.08, 0.0),
        (-0.045, -0.15),
        (-0.04, -0.5),
        (0.04, -0.5),
        (0.045, -0.15),
        (0.08, 0.0),
    ]
    shapes += [
        polygon(trunk, bark),
        stroke([(0.0, -0.33), (0.13, -0.48)], 0.035, bark),
        stroke([(0.0, -0.28), (-0.13, -0.46)], 0.035, bark),
    ]
    crown = (
        (-0.20, -0.52, 0.19),
        (0.20, -0.53, 0.19),
        (0.0, -0.60, 0.26),
        (-0.12, -0.76, 0.18),
        (0.13, -0.75, 0.18),
        (0.0, -0.84, 0.16),
    )
    shapes += [disc(x + 0.012, y + 0.02, r, dark(green, 0.18)) for x, y, r in crown]
    shapes += [disc(x - 0.012, y - 0.012, r * 0.95, green) for x, y, r in crown]
    shapes += [
        disc(x - 0.045, y - 0.05, r * 0.55, light(green, 0.16), 0.8)
        for x, y, r in crown
    ]
    return shapes


def boat(colour: Colour | None = None) -> list[Shape]:
    """Return a sailing boat with its reflection."""
    hull = colour or (188, 70, 58)
    sail, wood = (252, 246, 232), (122, 84, 60)
    return [
        polygon(
            [(-0.36, 0.02), (0.38, 0.02), (0.22, 0.16), (-0.20, 0.16)], dark(hull), 0.35
        ),
        polygon([(0.05, 0.02), (0.34, 0.02), (0.10, 0.34)], sail, 0.22),
        polygon([(-0.02, 0.02), (-0.24, 0.02), (-0.05, 0.28)], sail, 0.16),
        stroke([(0.0, -0.98), (0.0, -0.15)], 0.022, wood),
        blob(
            [
                (0.03, -0.93),
                (0.17, -0.70),
                (0.30, -0.45),
                (0.37, -0.23),
                (0.20, -0.215),
                (0.03, -0.21),
                (0.03, -0.55),
            ],
            sail,
        ),
        polygon(
            [(0.03, -0.90), (0.17, -0.66), (0.25, -0.50), (0.03, -0.52)],
            mix(sail, hull, 0.8),
        ),
        blob(
            [
                (-0.03, -0.84),
                (-0.14, -0.60),
                (-0.31, -0.24),
                (-0.16, -0.215),
                (-0.03, -0.21),
                (-0.04, -0.5),
            ],
            dark(sail, 0.06),
        ),
        polygon([(0.0, -0.99), (0.14, -0.955), (0.0, -0.92)], hull),
        blob(
            [
                (-0.44, -0.17),
                (-0.36, -0.04),
                (-0.27, 0.03),
                (0.0, 0.045),
                (0.28, 0.03),
                (0.39, -0.05),
                (0.47, -0.18),
                (0.2, -0.15),
                (-0.2, -0.15),
            ],
            hull,
        ),
        blob(
            [
                (-0.44, -0.175),
                (-0.42, -0.13),
                (-0.2, -0.108),
                (0.2, -0.108),
                (0.45, -0.135),
                (0.47, -0.185),
                (0.2, -0.15),
                (-0.2, -0.15),
            ],
            light(hull, 0.75),
        ),
    ]


def _box(x: float, y: float, rx: float, ry: float) -> list[Point]:
    return [(x - rx, y - ry), (x + rx, y - ry), (x + rx, y + ry), (x - rx, y + ry)]
