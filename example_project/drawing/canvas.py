"""Images drawn from the words of a prompt."""

from __future__ import annotations

import base64
import hashlib
import io
from functools import lru_cache
from random import Random

from PIL import Image, ImageFilter

from .abstract import arrangement
from .editing import edited
from .painting import OVERSAMPLING, large, paint_shapes, paint_sky, silhouette
from .scenery import Scene, landscape
from .shapes import Shape
from .wishes import read

#: How blurred the roughest preview is, as a part of the image's shorter side.
ROUGHEST = 0.06


def draw(
    prompt: str,
    *,
    size: tuple[int, int] = (512, 512),
    step: float = 1.0,
    format: str = "png",
    base: bytes | None = None,
    transparent: bool = False,
) -> bytes:
    """Return an image of the prompt; a `step` below 1 gives a rougher preview.

    The same prompt always gives the same image. A `base` image is changed as the
    prompt says instead of drawing a new one.
    """
    if format == "svg":
        return _svg(prompt, size, step, base).encode()
    image = _paint(prompt, size, base, transparent)
    if step < 1:
        image = _partial(image, step)
    return _encode(image, format)


@lru_cache(maxsize=8)
def _paint(
    prompt: str, size: tuple[int, int], base: bytes | None, transparent: bool
) -> Image.Image:
    # The previews of an image come one after the other and differ only in sharpness.
    if base is not None:
        found = edited(base, prompt, size)
        if found is not None:
            return found
    scene = _scene(prompt, size)
    image = paint_sky(scene.sky, large(size))
    paint_shapes(image, scene.shapes)
    if transparent:
        image.putalpha(silhouette(scene.subjects, image.size))
    return image.reduce(OVERSAMPLING)


def _scene(prompt: str, size: tuple[int, int]) -> Scene:
    wish = read(prompt)
    chance = Random(hashlib.sha256(prompt.encode()).digest())
    width = size[0] / size[1]
    make = landscape if wish.scenic else arrangement
    return make(wish, width, chance)


def _partial(image: Image.Image, step: float) -> Image.Image:
    radius = ROUGHEST * (1 - step) * min(image.size)
    # Blurring a small copy is many times faster and looks the same once enlarged.
    small = image.reduce(4) if radius > 8 and min(image.size) > 64 else image
    radius *= small.width / image.width
    return small.filter(ImageFilter.GaussianBlur(radius)).resize(
        image.size, Image.Resampling.BICUBIC
    )


def _encode(image: Image.Image, format: str) -> bytes:
    if format in ("jpeg", "jpg"):
        format, image = "jpeg", image.convert("RGB")
    options = {"png": {"compress_level": 3}, "webp": {"method": 2, "quality": 85}}
    out = io.BytesIO()
    image.save(out, format, **options.get(format, {}))
    return out.getvalue()


def _svg(prompt: str, size: tuple[int, int], step: float, base: bytes | None) -> str:
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    head += f'viewBox="0 0 {width} {height}">'
    blur = ROUGHEST * (1 - step) * min(size)
    look = ""
    if blur:
        head += f'<filter id="b"><feGaussianBlur stdDeviation="{blur:.1f}"/></filter>'
        look = ' filter="url(#b)"'
    if base is not None:
        data = base64.b64encode(_encode(_paint(prompt, size, base, False), "png"))
        shown = f'<image width="{width}" height="{height}" '
        shown += f'href="data:image/png;base64,{data.decode()}"/>'
        return f"{head}<g{look}>{shown}</g></svg>"
    scene = _scene(prompt, size)
    stops = "".join(
        f'<stop offset="{place}" stop-color="#{bytes(colour).hex()}"/>'
        for place, colour in zip((0, 0.5, 1), scene.sky, strict=True)
    )
    sky = f'<linearGradient id="s" x2="0" y2="1">{stops}</linearGradient>'
    sky += f'<g{look}><rect width="{width}" height="{height}" fill="url(#s)"/>'
    return "".join(
        [head, sky, *(_svg_shape(s, height) for s in scene.shapes), "</g></svg>"]
    )


def _svg_shape(shape: Shape, height: int) -> str:
    points = " ".join(f"{x * height:.1f},{y * height:.1f}" for x, y in shape.points)
    opacity = f' fill-opacity="{shape.alpha:.2f}"' if shape.alpha < 1 else ""
    colour = f"#{bytes(shape.fill).hex()}"
    if not shape.soft:
        return f'<polygon points="{points}" fill="{colour}"{opacity}/>'
    name = f"g{hashlib.sha256(points.encode()).hexdigest()[:8]}"
    stops = "".join(
        f'<stop offset="{far}" stop-color="{colour}" stop-opacity="{(1 - far) ** 2}"/>'
        for far in (0, 0.25, 0.5, 0.75, 1)
    )
    light = f'<radialGradient id="{name}">{stops}</radialGradient>'
    return f'{light}<polygon points="{points}" fill="url(#{name})"{opacity}/>'
