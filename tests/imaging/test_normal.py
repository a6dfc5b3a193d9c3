"""The form in which images go to models."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageFilter

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from chatkit_images.imaging import normal
from tests.image_files import SVG, image_file, noise
from tests.imaging.test_colours import RGB
from tests.refusable import IMAGES, PLAIN, refused_by_most


def sent(data: bytes) -> tuple[str, bytes]:
    return imaging.for_model(data)


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
        found, data = sent(noise("PNG", (2100, 400), mode))
        assert found == mime and refused_by_most(data, mime) == ""


def test_what_is_large_without_loss_gets_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkit_images.imaging.normal.LOSSLESS_BYTES", 999)
    mime, data = imaging.redraw(noise("PNG", mode="LA"))
    assert mime == "image/webp" and refused_by_most(data, mime) == ""


def photo(form: str, size: tuple[int, int] = (1400, 900), **options: Any) -> bytes:
    """Return an image of many bytes and soft colours, as models generate them."""
    soft = Image.effect_noise(size, 40).filter(ImageFilter.GaussianBlur(1))
    out = io.BytesIO()
    Image.merge("RGB", (soft, soft.rotate(180), soft)).save(out, form, **options)
    return out.getvalue()


def test_what_has_many_bytes_gets_fewer_if_that_helps() -> None:
    heavy = photo("PNG")
    assert len(heavy) > normal.LOSSLESS_BYTES and imaging.as_it_is(heavy)
    mime, data = sent(heavy)
    assert mime == "image/jpeg" and len(data) < len(heavy) / 4
    assert refused_by_most(data, mime) == ""
    # A file that has lost what it can stays as it is.
    dense = photo("JPEG", (2000, 1900), quality=91)
    assert len(dense) > normal.LOSSLESS_BYTES and sent(dense) == ("image/jpeg", dense)


def test_what_is_too_heavy_to_draw_goes_as_it_is_if_it_can(settings: Any) -> None:
    heavy = photo("PNG")
    settings.CHATKIT_IMAGES |= {"TUNING": {"DECODE_MEMORY_BYTES": 1000}}
    assert sent(heavy) == ("image/png", heavy)
    with pytest.raises(ImageError, match="memory"):
        sent(IMAGES["large.jpg"])


def test_other_colours_than_those_of_srgb_become_srgb() -> None:
    rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = photo("JPEG", (64, 48), icc_profile=rgb)
    assert sent(plain)[1] == plain
    for form in ("PNG", "JPEG", "WEBP"):
        wide = photo(form, (64, 48), icc_profile=RGB["Display P3"])
        assert imaging.as_it_is(wide)
        assert "icc_profile" not in Image.open(io.BytesIO(sent(wide)[1])).info


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_project_names_the_format_and_the_side(settings: Any, form: str) -> None:
    settings.CHATKIT_IMAGES |= {"MODEL_FORMAT": form, "MODEL_SIDE": 100}
    assert imaging.form() == f"100:{form}"
    for name in ("moving.gif", "deep.png", "turned.webp", "line.png", "exact.webp"):
        mime, found = sent((IMAGES | PLAIN)[name])
        assert mime == f"image/{form}" and refused_by_most(found, mime) == "", name
        assert max(pixels(found).size) <= 100
        assert sent(found) == (mime, found)
    same = PLAIN["exact.webp"]
    image = pixels(sent(same)[1])
    found = image.getpixel((9, 9))
    assert isinstance(found, tuple)
    if form == "jpeg":
        # A transparent image stands on white.
        assert min(found) > 150 and found[3] == 255
    else:
        assert found[3] in (98, 99, 100)
    # What one may ask for is bounded.
    for side, most in ((1, 32), (10**6, 9000)):
        settings.CHATKIT_IMAGES |= {"MODEL_SIDE": side}
        assert max(pixels(sent(IMAGES["wide.png"])[1]).size) == most


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
