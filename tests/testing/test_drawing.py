"""What the loopback model draws by itself; the demo's drawings are in tests/example."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageChops, ImageStat

from chatkit_images.testing import draw

SVG = "{http://www.w3.org/2000/svg}"


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def brightness(data: bytes) -> float:
    return ImageStat.Stat(opened(data).convert("L")).mean[0]


def difference(first: bytes, second: bytes) -> float:
    gap = ImageChops.difference(opened(first), opened(second)).convert("L")
    return ImageStat.Stat(gap).mean[0]


def warmth(data: bytes, x: int, y: int) -> int:
    """Return how much more red than blue there is."""
    red, _, blue = opened(data).getpixel((x, y))
    return red - blue


#: Between the eyes of a fox in the middle, and beside it.
FOREHEAD, BESIDE = (256, 272), (60, 240)


def test_the_same_prompt_gives_the_same_image_in_any_process() -> None:
    prompt = "a red fox in the snow at night, and jazz"
    code = (
        "import hashlib; from chatkit_images.testing import draw; "
        f"print(hashlib.sha256(draw({prompt!r})).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            check=True,
            capture_output=True,
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1
    assert draw(prompt) == draw(prompt)


@pytest.mark.parametrize(
    "other",
    [
        "a cat",
        "a house",
        "a tree",
        "a boat",
        "jazz",
        "a fox at night",
        "two foxes, fox",
    ],
)
def test_another_prompt_gives_another_image(other: str) -> None:
    assert difference(draw("a fox"), draw(other)) > 1


def test_words_that_are_not_known_are_drawn_by_chance() -> None:
    assert difference(draw("jazz"), draw("a symphony")) > 1


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif"])
@pytest.mark.parametrize("transparent", [False, True])
def test_the_format_is_the_one_asked_for(name: str, transparent: bool) -> None:
    data = draw("a fox", size=(96, 64), format=name, transparent=transparent)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == (name.upper(), (96, 64))


def test_svg_shows_the_same_image() -> None:
    root = ElementTree.fromstring(draw("a fox", size=(300, 200), format="svg"))
    assert (root.tag, root.get("width"), root.get("height")) == (
        f"{SVG}svg",
        "300",
        "200",
    )
    (image,) = root
    match = re.fullmatch("data:image/png;base64,(.+)", image.get("href") or "")
    assert match is not None
    assert base64.b64decode(match[1]) == draw("a fox", size=(300, 200))


def test_previews_sharpen_into_the_image() -> None:
    frames = [draw("a fox", step=step) for step in (0.25, 0.5, 0.75, 1.0)]
    gaps = [difference(frame, frames[-1]) for frame in frames]
    assert gaps == sorted(gaps, reverse=True)
    assert len(set(gaps)) == 4
    assert draw("a fox") == frames[-1]


def test_a_colour_belongs_to_the_next_subject() -> None:
    assert warmth(draw("a fox"), *FOREHEAD) > 100
    assert warmth(draw("a blue fox"), *FOREHEAD) < -100


def test_words_choose_the_light() -> None:
    night, day, snow = (
        brightness(draw(prompt))
        for prompt in ("a fox at night", "a fox", "a fox in the snow")
    )
    assert night < day < snow


@pytest.mark.parametrize(
    "prompt", ["now at night", "make it snow", "at sunset", "add a cat", "better"]
)
def test_a_base_is_changed_and_still_to_be_seen(prompt: str) -> None:
    base = draw("a fox")
    changed = draw(prompt, base=base)
    assert difference(changed, base) > 1
    assert warmth(changed, *FOREHEAD) > warmth(changed, *BESIDE) + 50
    assert difference(changed, draw(prompt)) > 1


def test_a_base_is_recoloured() -> None:
    base = draw("a fox")
    assert warmth(draw("make it blue", base=base), *FOREHEAD) < 0
    # The colour of what is added is its own.
    added = draw("add a blue cat", base=base)
    assert warmth(added, *FOREHEAD) == warmth(base, *FOREHEAD)


def test_a_base_at_night_can_see_the_day_again() -> None:
    night = draw("a fox at night")
    assert brightness(draw("now in the morning", base=night)) > brightness(night)


def test_an_unreadable_base_is_ignored() -> None:
    assert draw("a fox", base=b"no image") == draw("a fox")


@pytest.mark.parametrize("name", ["png", "webp"])
def test_a_transparent_image_has_no_landscape(name: str) -> None:
    data = draw("a fox at night in the snow", format=name, transparent=True)
    image = Image.open(io.BytesIO(data))
    assert image.mode == "RGBA"
    assert image.getpixel((2, 2))[3] == 0
    assert image.getpixel((256, 272))[3] == 255


@pytest.mark.parametrize(
    "prompt",
    [
        "two cats, a house, a tree and a boat on the sea at sunset",
        "a red house on a winter night",
        "green ideas",
        "",
    ],
)
@pytest.mark.parametrize("size", [(128, 192), (192, 128), (1, 1)])
def test_any_prompt_fits_any_size(prompt: str, size: tuple[int, int]) -> None:
    assert opened(draw(prompt, size=size)).size == size
