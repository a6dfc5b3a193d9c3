"""What bytes say: type, size, damage."""

from __future__ import annotations

import base64
import io
import zlib
from typing import Any

import pytest
from PIL import Image

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


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "CMYK", "I;16", "1"])
def test_every_mode_is_scaled(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    out = io.BytesIO()
    Image.new(mode, (900, 300)).save(out, form)
    small = Image.open(io.BytesIO(imaging.scale(out.getvalue(), 320)))
    assert small.format == "WEBP"
    assert small.size == (320, 107)
    assert (small.mode == "RGBA") == (mode in ("RGBA", "LA"))
