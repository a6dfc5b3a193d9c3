"""The form in which images go to models."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.image_files import SVG, image_file, noise
from tests.refusable import IMAGES, PLAIN, refused_by_most


def sent(data: bytes) -> tuple[str, bytes]:
    return imaging.as_it_is(data) or imaging.redraw(data)


@pytest.mark.parametrize("name", PLAIN)
def test_what_every_provider_takes_goes_byte_for_byte(name: str) -> None:
    data = PLAIN[name]
    mime, same = sent(data)
    assert same is data and refused_by_most(same, mime) == ""
    # What hangs behind an image is none of it.
    assert sent(data + b"PK") == (mime, data)


@pytest.mark.parametrize("name", IMAGES)
def test_what_some_provider_refuses_is_drawn_again(name: str) -> None:
    assert imaging.as_it_is(IMAGES[name]) is None
    mime, data = sent(IMAGES[name])
    assert refused_by_most(data, mime) == ""
    # And needs no second change.
    assert sent(data) == (mime, data)
    mime, data = imaging.redraw(IMAGES[name], lossy=True)
    assert mime in ("image/jpeg", "image/webp") and refused_by_most(data, mime) == ""


def pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGBA")


def test_it_looks_the_same() -> None:
    for name, size, place, colour in (
        ("moving.gif", (64, 48), (9, 9), (255, 0, 0)),
        ("moving.webp", (64, 48), (9, 9), (255, 0, 0)),
        ("turned.jpg", (200, 300), (100, 20), (0, 0, 255)),
        ("turned.png", (200, 300), (100, 20), (0, 0, 255)),
        ("turned.webp", (200, 300), (100, 20), (0, 0, 255)),
        ("deep.png", (64, 64), (9, 9), (255, 128, 0)),
        ("deep-grey.png", (64, 48), (9, 9), (156, 156, 156)),
        ("dot.png", (32, 32), (31, 31), (255, 0, 0)),
        ("large.jpg", (2000, 1500), (999, 999), (255, 0, 0)),
        # A line gets a margin.
        ("line.png", (2000, 32), (0, 15), (255, 0, 0)),
        ("line.png", (2000, 32), (0, 1), (255, 255, 255)),
    ):
        image = pixels(sent(IMAGES[name])[1])
        found = image.getpixel(place)
        assert image.size == size and isinstance(found, tuple), name
        near = zip(found, (*colour, 255), strict=True)
        assert max(abs(a - b) for a, b in near) < 6, (name, found)
    # Of few colours one lets through what is behind.
    image = pixels(sent(IMAGES["palette.png"])[1])
    assert image.getpixel((0, 0)) == (255, 0, 0, 0)
    assert image.getpixel((63, 0)) == (0, 0, 255, 255)


def test_a_large_image_without_loss_becomes_a_smaller_one_with_some() -> None:
    for mode, mime in (("RGB", "image/jpeg"), ("RGBA", "image/webp")):
        found, data = sent(noise("PNG", (2100, 1000), mode))
        assert found == mime and refused_by_most(data, mime) == ""


def test_what_is_large_without_loss_gets_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkit_images.imaging.normal.LOSSLESS_BYTES", 999)
    mime, data = imaging.redraw(noise("PNG", mode="LA"))
    assert mime == "image/webp" and refused_by_most(data, mime) == ""


def test_what_is_no_image_is_refused() -> None:
    whole = image_file("navy", "JPEG")
    for data in (b"", b"fox", whole[:-99], image_file("navy", "GIF")[:-20]):
        with pytest.raises(ImageError):
            sent(data)
    # The container is whole, the pixels are not.
    broken = bytearray(noise("PNG", mode="L"))
    broken[60:90] = bytes(30)
    with pytest.raises(ImageError, match="damaged"):
        sent(bytes(broken))
    assert imaging.as_it_is(SVG) is None
    with pytest.raises(ImageError):
        imaging.redraw(SVG)
