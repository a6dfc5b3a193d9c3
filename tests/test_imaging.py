"""What bytes say: type, size, damage."""

from __future__ import annotations

import base64
import io
import zlib
from typing import Any

import pytest
from PIL import Image, ImageOps

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.pictures import SVG, picture

RASTER = [
    ("PNG", "image/png", "png"),
    ("JPEG", "image/jpeg", "jpg"),
    ("WEBP", "image/webp", "webp"),
    ("GIF", "image/gif", "gif"),
]


@pytest.mark.parametrize(("form", "mime", "extension"), RASTER)
def test_rasters_are_recognised(form: str, mime: str, extension: str) -> None:
    data = picture("red", form)
    info = imaging.inspect(data)
    assert (info.mime, info.extension) == (mime, extension)
    assert (info.width, info.height, info.size) == (64, 48, len(data))


@pytest.mark.parametrize("data", [SVG, b"\xef\xbb\xbf <?xml version='1.0'?>\n" + SVG])
def test_svg_is_recognised(data: bytes) -> None:
    assert imaging.inspect(data).mime == "image/svg+xml"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<html><script>alert(1)</script></html>", "unknown_type"),
        (b"GIF89a", "damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unknown_type"),
        (picture("red", "BMP"), "unknown_type"),
        (picture("red", "TIFF"), "unknown_type"),
        (b"<?xml version='1.0'?><html/>", "unknown_type"),
        (picture("red")[:-12], "damaged"),
        (picture("red", size=(300, 300))[:200], "damaged"),
        (picture("red", "JPEG", size=(300, 300))[:400], "damaged"),
        (picture("red", "WEBP", size=(300, 300))[:60], "damaged"),
    ],
)
def test_what_is_no_whole_picture_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.inspect(data)
    assert caught.value.code == code


def bomb(side: int) -> bytes:
    """Return a small PNG of huge dimensions."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    size = side.to_bytes(4, "big")
    header = chunk(b"IHDR", size + size + bytes([1, 0, 0, 0, 0]))
    rows = zlib.compress(bytes(side // 8 + 1) * 64)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7_000, 13_000, 60_000])
def test_bombs_are_refused_by_their_header(side: int) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.inspect(bomb(side))
    assert caught.value.code == "too_many_pixels"


def test_the_limits_are_settings(settings: Any) -> None:
    settings.CHATKIT_IMAGES = {"MAX_IMAGE_BYTES": 100, "MAX_IMAGE_PIXELS": 100}
    with pytest.raises(ImageError, match="too many bytes"):
        imaging.inspect(picture("red"))
    with pytest.raises(ImageError, match="too many bytes"):
        imaging.decode_base64("A" * 200)
    settings.CHATKIT_IMAGES = {"MAX_IMAGE_PIXELS": 100}
    with pytest.raises(ImageError, match="too many pixels"):
        imaging.inspect(picture("red"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("====", "invalid_base64"),
        ("iVBO*R$w0K", "invalid_base64"),
        ("iVBORw0K\niVBO", "invalid_base64"),
        ("iVBORw0", "invalid_base64"),
        ("iVBORw0K ", "invalid_base64"),
        ("-_-_", "invalid_base64"),
        ("ÄÖÜß", "invalid_base64"),
    ],
)
def test_base64_is_strict(text: str, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.decode_base64(text)
    assert caught.value.code == code


def test_base64_is_decoded() -> None:
    data = picture("red")
    assert imaging.decode_base64(base64.b64encode(data).decode()) == data


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    out = io.BytesIO()
    first, second = (Image.new("RGB", (64, 48), c) for c in ("red", "blue"))
    first.save(out, "MPO", save_all=True, append_images=[second])
    data = out.getvalue()
    assert Image.open(io.BytesIO(data)).format == "MPO"
    info = imaging.inspect(data)
    assert (info.mime, info.extension) == ("image/jpeg", "jpg")
    assert (info.width, info.height, info.size) == (64, 48, len(data))
    small = Image.open(io.BytesIO(imaging.scale(data, 32)))
    assert (small.format, small.size) == ("WEBP", (32, 24))


def test_a_format_that_pillow_calls_otherwise_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imaging, "ALIASES", {"JPEG": "JPEG2"})
    with pytest.raises(ImageError) as caught:
        imaging.inspect(picture("red", "JPEG"))
    assert caught.value.code == "unknown_type"


def turned(orientation: int, form: str) -> bytes:
    """Return a picture, left red and right blue, of a camera that was turned."""
    image = Image.new("RGB", (640, 320), "blue")
    image.paste("red", (0, 0, 320, 320))
    exif = Image.Exif()
    exif[imaging.ORIENTATION] = orientation
    out = io.BytesIO()
    image.save(out, form, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_measured_and_scaled_as_displayed(
    orientation: int, form: str
) -> None:
    data = turned(orientation, form)
    with Image.open(io.BytesIO(data)) as original:
        upright = ImageOps.exif_transpose(original)
    info = imaging.inspect(data)
    assert (info.width, info.height) == upright.size
    assert (info.width < info.height) == (orientation > 4)
    small = Image.open(io.BytesIO(imaging.scale(data, 64))).convert("RGB")
    assert small.size == (upright.width // 10, upright.height // 10)
    for x, y in ((4, 4), (small.width - 5, small.height - 5)):
        colour = small.getpixel((x, y))
        expected = upright.convert("RGB").getpixel((x * 10, y * 10))
        assert isinstance(colour, tuple) and isinstance(expected, tuple)
        assert (colour[0] > colour[2]) == (expected[0] > expected[2])
    assert not small.getexif()


@pytest.mark.parametrize(
    "data",
    [
        turned(6, "JPEG").replace(b"Exif\x00\x00MM", b"Exif\x00\x00XX"),
        # The orientation as text.
        turned(6, "JPEG").replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x02"),
        turned(9, "JPEG"),
    ],
    ids=["header", "type", "value"],
)
def test_broken_exif_leaves_a_picture_as_it_is(data: bytes) -> None:
    assert imaging.inspect(data).width == 640
    assert Image.open(io.BytesIO(imaging.scale(data, 64))).size == (64, 32)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "CMYK", "I;16", "1"])
def test_every_mode_is_scaled(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    out = io.BytesIO()
    Image.new(mode, (900, 300)).save(out, form)
    small = Image.open(io.BytesIO(imaging.scale(out.getvalue(), 320)))
    assert small.format == "WEBP"
    assert small.size == (320, 107)
    assert (small.mode == "RGBA") == (mode in ("RGBA", "LA"))
