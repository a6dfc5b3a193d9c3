"""An earlier image, changed as a prompt says."""

from __future__ import annotations

import colorsys
import hashlib
import io
from random import Random

from PIL import (
    Image,
    ImageChops,
    ImageEnhance,
    ImageFilter,
    ImageOps,
    ImageStat,
    UnidentifiedImageError,
)

from . import scenery, sky
from .painting import OVERSAMPLING, large, paint_shapes
from .shapes import Colour, Shape, disc
from .wishes import Wish, read


def edited(base: bytes, prompt: str, size: tuple[int, int]) -> Image.Image | None:
    """Return the base image with the prompt's changes, None if it is unreadable."""
    try:
        with Image.open(io.BytesIO(base)) as opened:
            image = ImageOps.fit(opened.convert("RGB"), size)
    except (UnidentifiedImageError, OSError):
        return None
    wish = read(prompt)
    chance = Random(hashlib.sha256(prompt.encode()).digest())
    width = size[0] / size[1]
    shapes: list[Shape] = []
    if wish.colour:
        image = recoloured(image, wish.colour)
    if wish.snow:
        image = snowed_in(image)
        shapes += sky.snowfall(width, chance, 160)
    if wish.sunset:
        image = ImageChops.multiply(
            image, _ramp(size, (214, 140, 176), (255, 214, 150))
        )
    lamp_at = brightest(image)
    if wish.night:
        image = darkened(image)
        moon = sky.lamp(*lamp_at, sky.NIGHT, night=True)
        shapes = sky.stars(width, 0.36, chance, 80) + moon + shapes
    elif wish.day:
        if is_dim(image):
            shapes += sky.lamp(*lamp_at, sky.DAYS[0], night=False)
        image = brightened(image)
    if wish.more:
        shapes += _guests(wish, width, chance)
    if not shapes and not (wish.colour or wish.sunset or wish.day):
        shapes = _confetti(width, chance)
        image = ImageEnhance.Color(image).enhance(1.3)
    canvas = image.resize(large(size))
    paint_shapes(canvas, shapes)
    return canvas.reduce(OVERSAMPLING)


def brightest(image: Image.Image) -> tuple[float, float]:
    """Return where the light of the sky is: the moon goes where the sun was."""
    width, height = image.size
    above = image.crop((0, 0, width, height * 2 // 5)).resize((48, 20))
    values = above.filter(ImageFilter.BoxBlur(1)).tobytes()
    # Warm and bright: clouds are as bright as the sun, but not as yellow.
    warmth = [2 * values[at] - values[at + 2] for at in range(0, len(values), 3)]
    best = max(warmth)
    spots = [divmod(n, 48) for n, warm in enumerate(warmth) if warm > best - 12]
    row = sum(spot[0] for spot in spots) / len(spots)
    column = sum(spot[1] for spot in spots) / len(spots)
    return (column + 0.5) / 48 * width / height, (row + 0.5) / 20 * 0.4


def darkened(image: Image.Image) -> Image.Image:
    """Return the image in moonlight: dark and blue, its colours still to be seen."""
    moonlight = ImageOps.colorize(
        image.convert("L"), (4, 6, 26), (156, 170, 222), mid=(40, 48, 104)
    )
    image = Image.blend(ImageEnhance.Brightness(image).enhance(0.7), moonlight, 0.58)
    return ImageChops.multiply(
        image, _ramp(image.size, (92, 100, 164), (236, 236, 255))
    )


def is_dim(image: Image.Image) -> bool:
    """Return whether the image looks like night."""
    return bool(ImageStat.Stat(image.convert("L")).mean[0] < 100)


def brightened(image: Image.Image) -> Image.Image:
    """Return the image in sunlight."""
    bright = ImageEnhance.Brightness(image).enhance(1.9 if is_dim(image) else 1.05)
    warm = _ramp(image.size, (255, 255, 255), (255, 250, 232))
    return ImageChops.multiply(ImageEnhance.Color(bright).enhance(1.15), warm)


def snowed_in(image: Image.Image) -> Image.Image:
    """Return the image a little paler, with snow on everything green."""
    hue, saturation, value = image.convert("HSV").split()
    green = hue.point(lambda h: 255 * (32 < h < 116))
    ground = (
        Image.linear_gradient("L")
        .point(lambda y: max(0, min(235, (y - 118) * 5)))
        .resize(image.size)
    )
    faded = saturation.point(lambda s: min(255, 60 + s * 4))
    mask = ImageChops.multiply(ImageChops.multiply(green, ground), faded)
    white = ImageOps.colorize(value, (150, 166, 200), (250, 252, 255))
    pale = Image.blend(image, Image.new("RGB", image.size, (206, 222, 240)), 0.2)
    return Image.composite(white, pale, mask.filter(ImageFilter.GaussianBlur(1)))


def recoloured(image: Image.Image, colour: Colour) -> Image.Image:
    """Return the image with its subject's main colour replaced."""
    hue, saturation, value = image.convert("HSV").split()
    strong = ImageChops.multiply(
        saturation.point(lambda s: 255 * (s > 120)),
        value.point(lambda v: 255 * (v > 60)),
    )
    width, height = image.size
    middle = (width // 4, height // 3, width * 3 // 4, height * 19 // 20)
    counts = hue.crop(middle).histogram(strong.crop(middle))
    main = max(range(256), key=counts.__getitem__)
    near = hue.point(lambda h: 255 * (min(abs(h - main), 256 - abs(h - main)) < 16))
    mask = ImageChops.multiply(near, strong).filter(ImageFilter.MaxFilter(3))
    h, s, _ = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    fresh = Image.merge(
        "HSV",
        (
            Image.new("L", image.size, round(h * 255)),
            saturation.point(lambda old: round(min(255, old * 0.4 + s * 150))),
            value,
        ),
    )
    return Image.composite(
        fresh.convert("RGB"), image, mask.filter(ImageFilter.GaussianBlur(0.7))
    )


def _ramp(size: tuple[int, int], top: Colour, low: Colour) -> Image.Image:
    return ImageOps.colorize(Image.linear_gradient("L"), top, low).resize(size)


def _guests(wish: Wish, width: float, chance: Random) -> list[Shape]:
    # A newcomer at half the size, beside what stands in the middle already.
    left = width * chance.choice((-0.10, 0.60))
    return [
        (scenery.by_night(shape) if wish.night else shape).moved(left, 0.5, 0.5)
        for shape in scenery.standing(wish, width, chance)
    ]


def _confetti(width: float, chance: Random) -> list[Shape]:
    colours = [(255, 226, 130), (250, 150, 130), (150, 206, 220), (255, 255, 255)]
    return [
        disc(
            width * chance.random(),
            chance.random() ** 2 * 0.6,
            chance.uniform(0.006, 0.03),
            chance.choice(colours),
            chance.uniform(0.35, 0.7),
        )
        for _ in range(36)
    ]
