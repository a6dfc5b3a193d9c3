"""Shapes painted with Pillow."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageOps

from .shapes import Colour, Shape

#: Shapes are drawn this much larger and then shrunk, which smooths their edges.
OVERSAMPLING = 2

#: What Pillow's radial gradient shows where it touches the sides of its square.
RIM = 180


def large(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size to draw at for an image of the given size."""
    return size[0] * OVERSAMPLING, size[1] * OVERSAMPLING


def paint_sky(
    colours: tuple[Colour, Colour, Colour], size: tuple[int, int]
) -> Image.Image:
    """Return a gradient from the top to the bottom."""
    top, middle, low = colours
    ramp = Image.linear_gradient("L").resize((1, size[1]))
    column = ImageOps.colorize(ramp, top, low, mid=middle)
    return column.resize(size, Image.Resampling.NEAREST)


def paint_shapes(image: Image.Image, shapes: list[Shape]) -> None:
    """Draw shapes on an image of any size."""
    pen = ImageDraw.Draw(image, "RGBA")
    height = image.height
    for shape in shapes:
        points = [(x * height, y * height) for x, y in shape.points]
        if shape.soft:
            _paint_glow(image, points, shape)
        else:
            pen.polygon(points, fill=(*shape.fill, round(shape.alpha * 255)))


def silhouette(shapes: list[Shape], size: tuple[int, int]) -> Image.Image:
    """Return a mask of everything that the solid shapes cover."""
    mask = Image.new("L", size)
    pen = ImageDraw.Draw(mask)
    for shape in shapes:
        if shape.alpha == 1 and not shape.soft:
            pen.polygon([(x * size[1], y * size[1]) for x, y in shape.points], fill=255)
    return mask


def _paint_glow(
    image: Image.Image, points: list[tuple[float, float]], shape: Shape
) -> None:
    left, top = (round(min(axis)) for axis in zip(*points, strict=True))
    right, low = (round(max(axis)) for axis in zip(*points, strict=True))
    fading = Image.radial_gradient("L").point(
        lambda far: round(255 * shape.alpha * (1 - min(1, far / RIM)) ** 2)
    )
    mask = fading.resize((max(1, right - left), max(1, low - top)))
    image.paste(shape.fill, (left, top), mask)
