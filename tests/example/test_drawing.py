from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageChops, ImageStat

from example_project.drawing import draw


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def difference(first: bytes, second: bytes) -> float:
    gap = ImageChops.difference(opened(first), opened(second)).convert("L")
    return ImageStat.Stat(gap).mean[0]


def edges(data: bytes) -> float:
    image = opened(data).convert("L")
    steps = ImageChops.difference(image, ImageChops.offset(image, 3, 0))
    return ImageStat.Stat(steps.crop((3, 0, *image.size))).rms[0]


def correlation(first: bytes, second: bytes) -> float:
    one, two = (
        list(opened(data).convert("L").crop((150, 200, 360, 490)).tobytes())
        for data in (first, second)
    )
    mean_one, mean_two = sum(one) / len(one), sum(two) / len(two)
    both = sum((a - mean_one) * (b - mean_two) for a, b in zip(one, two, strict=True))
    var_one = sum((a - mean_one) ** 2 for a in one)
    var_two = sum((b - mean_two) ** 2 for b in two)
    return both / (var_one * var_two) ** 0.5


def colour_at(data: bytes, x: int, y: int) -> tuple[int, int, int]:
    red, green, blue = opened(data).getpixel((x, y))
    return red, green, blue


def test_the_same_prompt_gives_the_same_image():
    assert draw("a red fox") == draw("a red fox")


@pytest.mark.parametrize(
    "other",
    ["a cat", "a house", "a tree", "a boat", "jazz", "a fox at night", "a FOX!"],
)
def test_another_prompt_gives_another_image(other: str):
    assert difference(draw("a fox"), draw(other)) > 1


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif"])
def test_the_format_is_the_one_asked_for(name: str):
    image = Image.open(io.BytesIO(draw("a fox", size=(96, 64), format=name)))
    assert (image.format, image.size) == (name.upper(), (96, 64))


def test_svg_is_well_formed_and_sized():
    for prompt in ("a house at night", "a thought"):
        root = ElementTree.fromstring(draw(prompt, size=(300, 200), format="svg"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert (root.get("width"), root.get("height")) == ("300", "200")
        assert len(root.findall(".//{http://www.w3.org/2000/svg}polygon")) > 10


def test_svg_previews_are_blurred_and_carry_the_base():
    data = draw("at night", format="svg", step=0.5, base=draw("a fox", size=(64, 64)))
    assert b"feGaussianBlur" in data
    assert b"data:image/png;base64," in data
    ElementTree.fromstring(data)


def test_previews_sharpen_into_the_image():
    frames = [draw("a fox", step=step) for step in (0.25, 0.5, 0.75, 1.0)]
    assert [edges(frame) for frame in frames] == sorted(map(edges, frames))
    gaps = [difference(frame, frames[-1]) for frame in frames]
    assert gaps == sorted(gaps, reverse=True)


def test_a_fox_is_orange_unless_a_colour_is_named():
    # The forehead.
    red, _, blue = colour_at(draw("a fox"), 256, 272)
    assert red > blue
    red, _, blue = colour_at(draw("a blue fox"), 256, 272)
    assert blue > red


def test_night_is_dark_and_snow_is_bright():
    night, day, snow = (
        ImageStat.Stat(opened(draw(prompt)).convert("L")).mean[0]
        for prompt in ("a fox at night", "a fox", "a fox in the snow")
    )
    assert night < day < snow


@pytest.mark.parametrize(
    "prompt", ["now at night", "make it snow", "at sunset", "add a cat", "better"]
)
def test_a_base_is_changed_and_still_to_be_seen(prompt: str):
    base = draw("a fox")
    changed = draw(prompt, base=base)
    assert difference(changed, base) > 1
    assert difference(changed, draw(prompt)) > 10
    assert correlation(changed, base) > 0.7


def test_a_base_is_recoloured():
    base = draw("a fox")
    red, _, blue = colour_at(draw("make it blue", base=base), 256, 272)
    assert blue > red


def test_a_base_at_night_can_see_the_day_again():
    night = draw("a fox at night")
    day = draw("now in the morning", base=night)
    assert ImageStat.Stat(opened(day)).mean[0] > ImageStat.Stat(opened(night)).mean[0]


def test_an_unreadable_base_is_ignored():
    assert draw("a fox", base=b"no image") == draw("a fox")


def test_a_transparent_image_has_no_landscape():
    image = Image.open(io.BytesIO(draw("a fox", transparent=True)))
    assert image.mode == "RGBA"
    assert image.getpixel((2, 2))[3] == 0
    assert image.getpixel((256, 272))[3] == 255


@pytest.mark.parametrize(
    "prompt",
    [
        "two cats, a house, a tree and a boat on the sea at sunset",
        "a snowy forest in autumn",
        "a red house on a winter night",
        "an oak in autumn",
        "green ideas",
        "",
    ],
)
@pytest.mark.parametrize("size", [(128, 192), (192, 128), (1, 1)])
def test_any_prompt_fits_any_size(prompt: str, size: tuple[int, int]):
    assert opened(draw(prompt, size=size)).size == size
