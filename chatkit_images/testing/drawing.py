"""Plain scenes drawn from the words of a prompt, with nothing but Pillow."""

from __future__ import annotations

import io
import math
import re
from base64 import b64encode
from contextlib import suppress
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw, ImageFilter, ImageOps

Size = tuple[int, int]
Point = tuple[float, float]
#: A colour and an outline; the scene is one unit high, and y grows downwards.
Shape = tuple[str, list[Point]]

OVERSAMPLING = 2  # Shapes are drawn larger and shrunk: their edges get smooth.
COLOURS = {"red", "orange", "yellow", "green", "blue", "purple", "pink", "white"}
NIGHT = {"night", "dark", "midnight", "moon", "moonlight", "stars", "starry"}
SNOW = {"snow", "snowy", "snowing", "winter", "frost", "christmas"}
WATER = {"water", "sea", "lake", "river", "ocean", "harbour", "beach", "boat", "boats"}
#: The light that a word puts on a scene.
LIGHTS = dict.fromkeys(NIGHT, "#060a30") | dict.fromkeys(SNOW, "white")
LIGHTS |= dict.fromkeys(["sunset", "sunrise", "dusk", "dawn", "evening"], "#f0603c")
LIGHTS |= dict.fromkeys(["day", "morning", "noon", "sunny", "summer"], "#fff2b0")
#: Shapes of a colour and an outline in hundredths of the height, with the foot at 0,0.
#: One x,y,r is a circle; "own" is the colour before the first.
SUBJECTS = {
    "fox": """#e8742c; own 10,0 60,-10 55,-50 35,-20; own -26,0 26,0 0,-75;
        own -36,-100 0,-80 36,-100 32,-60 0,-35 -32,-60; #fcf7f0 -32,-60 -10,-58 0,-35;
        #fcf7f0 32,-60 10,-58 0,-35; black -13,-68,4; black 13,-68,4; black 0,-38,5""",
    "cat": """#7c8092; own 20,0 45,-10 42,-60 35,-15; own 0,-24,26; own 0,-62,25;
        own -25,-60 -24,-100 0,-80 24,-100 25,-60; gold -10,-66,5; gold 10,-66,5""",
    "house": """#f4e2c4; own -42,0 -42,-55 42,-55 42,0; #b04a3e -55,-50 0,-100 55,-50;
        #7a523c -8,0 -8,-30 8,-30 8,0; #ffd678 -25,-30,9; #ffd678 25,-30,9""",
    "tree": """#34705a; #704e3a -6,0 -6,-20 6,-20 6,0; own -36,-15 0,-60 36,-15;
        own -28,-40 0,-80 28,-40; own -20,-65 0,-100 20,-65""",
    "boat": """#bc463a; #7a543c -2,-15 -2,-100 2,-100 2,-15; white 5,-95 40,-25 5,-25;
        white -5,-85 -32,-25 -5,-25; own -48,-20 48,-20 28,2 -28,2""",
}
INKS = ["#e2583e", "#f2b244", "#265c74", "#2c8a86", "#c44a68"] * 3
NAMES = {f"{name}{end}": name for name in SUBJECTS for end in ("", "s", "es")}


def draw(
    prompt: str,
    *,
    size: Size = (512, 512),
    step: float = 1.0,
    format: str = "png",
    base: bytes | None = None,
    transparent: bool = False,
) -> bytes:
    """Return an image of the prompt; a `step` below 1 gives a rougher preview.

    The same prompt always gives the same image. A `base` image is changed as the
    prompt says instead of drawing a new one.
    """
    image = _paint(prompt, size, base, transparent)
    image = image.filter(ImageFilter.GaussianBlur(0.06 * (1 - step) * min(size)))
    kind = {"svg": "png", "jpg": "jpeg"}.get(format, format)
    image = image.convert("RGB") if kind == "jpeg" else image
    image.save(out := io.BytesIO(), kind, compress_level=3)
    if format != "svg":
        return out.getvalue()
    data, sides = b64encode(out.getvalue()), f'width="{size[0]}" height="{size[1]}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {sides}><image {sides} href="'
    return f'{svg}data:image/png;base64,{data.decode()}"/></svg>'.encode()


def knows(prompt: str) -> bool:
    """Return whether any word of a prompt is drawn, and is not a colour alone."""
    words = set(re.findall("[a-z]+", prompt.lower()))
    return bool(words & (NAMES.keys() | LIGHTS.keys() | WATER))


@lru_cache(maxsize=8)  # The previews of an image differ in their blur only.
def _paint(prompt: str, size: Size, base: bytes | None, bare: bool) -> Image.Image:
    words, chance = re.findall("[a-z]+", prompt.lower()), Random(prompt)
    large, width = (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING), size[0] / size[1]
    if canvas := _opened(base or b"", large):
        # New things stand beside the old ones. A colour without a new thing is for all.
        things = _subjects(words, width * 0.35, 0.9)
        lights = LIGHTS | {colour: colour for colour in COLOURS if not things}
        if not things and not lights.keys() & set(words):
            things = _dots(chance, (width, 1), 0.05, INKS)
    else:
        canvas = Image.new("RGBA" if bare else "RGB", large)
        lights = {} if bare else LIGHTS
        things = _subjects(words, width, 0.6) or _dots(chance, (width, 1), 0.15, INKS)
        _fill(canvas, [] if bare else _landscape(words, chance, width))
    seen = {lights[word]: word for word in words if word in lights}
    for light in seen:
        canvas = Image.blend(canvas, Image.new("RGB", large, light), 0.5)
    if NIGHT.intersection(seen.values()):
        _fill(canvas, [("#fffceb", _circle(width * 0.8, 0.2, 0.085))])
        _fill(canvas, _dots(chance, (width, 0.5), 0.004, ["#fffceb"] * 50))
    if SNOW.intersection(seen.values()):
        _fill(canvas, _dots(chance, (width, 1), 0.01, ["white"] * 90))
    _fill(canvas, things)
    return canvas.reduce(OVERSAMPLING)


def _opened(data: bytes, size: Size) -> Image.Image | None:
    with suppress(OSError), Image.open(io.BytesIO(data)) as image:
        return ImageOps.fit(image.convert("RGB"), size)
    return None


def _fill(canvas: Image.Image, shapes: list[Shape]) -> None:
    pen, height = ImageDraw.Draw(canvas), canvas.height
    for fill, outline in shapes:
        pen.polygon([(x * height, y * height) for x, y in outline], fill=fill)


def _landscape(words: list[str], chance: Random, width: float) -> list[Shape]:
    wide = [(0.0, 0.0), (width, 0.0), (width, 1.0), (0.0, 1.0)]
    ground = "#3a7ea8" if WATER & set(words) else "#7ab062"
    return [
        ("#7cbce2", wide),
        ("#d4e6ea", _circle(width * chance.random(), 1.3, 0.9)),
        (ground, [(x, y or 0.72) for x, y in wide]),
        ("#ffe896", _circle(width * 0.8, 0.2, 0.08)),
    ]


def _subjects(words: list[str], width: float, height: float) -> list[Shape]:
    """Return things that words name, side by side; a colour is for the next thing."""
    colour, named, shapes = "", list[tuple[str, str]](), list[Shape]()
    for word in words:
        if word in NAMES:
            named.append((NAMES[word], colour))
        colour = word if word in COLOURS else "" if word in NAMES else colour
    scale = height * min(1, width) / max(1, len(named) * 0.6)
    for place, (name, colour) in enumerate(named):
        own, *parts = SUBJECTS[name].split(";")
        middle = width * (place + 0.5) / len(named)
        for fill, *pairs in map(str.split, parts):
            points = [[int(n) / 100 for n in pair.split(",")] for pair in pairs]
            outline = [(x, y) for x, y in points] if pairs[1:] else _circle(*points[0])
            moved = [(middle + scale * x, 0.9 + scale * y) for x, y in outline]
            shapes.append(((colour or own) if fill == "own" else fill, moved))
    return shapes


def _dots(chance: Random, area: Point, size: float, fills: list[str]) -> list[Shape]:
    (wide, low), some = area, chance.random
    return [(f, _circle(wide * some(), low * some(), size * some())) for f in fills]


def _circle(x: float, y: float, radius: float) -> list[Point]:
    turns = [math.tau * turn / 48 for turn in range(48)]
    return [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns]
