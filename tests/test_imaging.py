"""What bytes say: type, size, damage."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import logging
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from chatkit_images.imaging import pixels
from tests.image_files import SVG, chunk, frames, image_file, png_of
from tests.imaging.samples import PLAIN, SAMPLES

RASTER = [
    ("PNG", "image/png", "png"),
    ("JPEG", "image/jpeg", "jpg"),
    ("WEBP", "image/webp", "webp"),
    ("GIF", "image/gif", "gif"),
]


@pytest.mark.parametrize(("form", "mime", "extension"), RASTER)
def test_rasters_are_recognised(form: str, mime: str, extension: str) -> None:
    data = image_file("red", form)
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
        (image_file("red", "BMP"), "unknown_type"),
        (image_file("red", "TIFF"), "unknown_type"),
        (b"<?xml version='1.0'?><html/>", "unknown_type"),
        (image_file("red")[:-12], "damaged"),
        (image_file("red", size=(300, 300))[:200], "damaged"),
        (image_file("red", "JPEG", size=(300, 300))[:400], "damaged"),
        (image_file("red", "WEBP", size=(300, 300))[:60], "damaged"),
    ],
)
def test_what_is_no_whole_image_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.inspect(data)
    assert caught.value.code == code


def bomb(times: float) -> bytes:
    """Return a small PNG of so many times the pixels that are accepted."""
    side = int((40_000_000 * times) ** 0.5)
    rows = zlib.compress(bytes((side + 7) // 8 + 1) * min(side, 7_000))
    return png_of(side, side, chunk(b"IDAT", rows))


@pytest.mark.parametrize("times", [0.5, 1])
@pytest.mark.row("C07")
def test_c07_many_pixels_in_few_bytes_are_accepted_up_to_the_limit(
    times: float,
) -> None:
    data = bomb(times)
    assert len(data) < 10_000
    info, thumbnail = imaging.examine(data, 320)
    assert info.width == info.height == int((40_000_000 * times) ** 0.5)
    assert imaging.inspect(thumbnail).width == 320


@pytest.mark.parametrize("times", [1.001, 2, 10, 1000])
@pytest.mark.row("C07")
def test_c07_bombs_are_refused_by_their_header(times: float) -> None:
    data = bomb(times)
    assert len(data) < 300_000
    for refuse in (
        imaging.inspect,
        lambda data: imaging.inspect(data, decode=False),
        lambda data: imaging.examine(data, 320),
        lambda data: imaging.scale(data, 320),
    ):
        with pytest.raises(ImageError, match="too many pixels") as caught:
            refuse(data)
        assert caught.value.code == "too_many_pixels"


def test_the_limits_are_settings(settings: Any) -> None:
    settings.CHATKIT_IMAGES = {"MAX_IMAGE_BYTES": 100, "MAX_IMAGE_PIXELS": 100}
    with pytest.raises(ImageError, match="too many bytes"):
        imaging.inspect(image_file("red"))
    with pytest.raises(ImageError, match="too many bytes"):
        imaging.decode_base64("A" * 200)
    settings.CHATKIT_IMAGES = {"MAX_IMAGE_PIXELS": 100}
    with pytest.raises(ImageError, match="too many pixels"):
        imaging.inspect(image_file("red"))


def test_a_jpeg_of_several_images_is_a_jpeg() -> None:
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
    assert imaging.examine(data, 32) == (info, imaging.scale(data, 32))


def turned(orientation: int, form: str) -> bytes:
    """Return an image, left red and right blue, of a camera that was turned."""
    image = Image.new("RGB", (640, 320), "blue")
    image.paste("red", (0, 0, 320, 320))
    exif = Image.Exif()
    exif[imaging.ORIENTATION] = orientation
    out = io.BytesIO()
    image.save(out, form, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_measured_and_scaled_as_displayed(
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
def test_broken_exif_leaves_an_image_as_it_is(data: bytes) -> None:
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


def test_a_svg_is_not_scaled() -> None:
    with pytest.raises(ImageError, match="^An SVG cannot be scaled.$") as caught:
        imaging.scale(SVG, 320)
    assert caught.value.code == "unknown_type"


@pytest.mark.parametrize("name", SAMPLES)
def test_an_image_is_decoded_once_for_all_that_is_known(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, opened = SAMPLES[name], []
    for mime, decoder in pixels.DECODERS.items():
        monkeypatch.setitem(
            pixels.DECODERS,
            mime,
            lambda fp, decoder=decoder: opened.append(fp) or decoder(fp),
        )
    info, thumbnail = imaging.examine(data, 32)
    assert len(opened) == (name != "SVG")
    assert info == imaging.inspect(data)
    assert info.sha256 == hashlib.sha256(data).hexdigest()
    # A preview is looked at from outside.
    opened.clear()
    quick = imaging.inspect(data, decode=False)
    assert quick == dataclasses.replace(info, sha256="") and not opened
    if name == "SVG":
        assert thumbnail == b""
    else:
        assert thumbnail == imaging.scale(data, 32)
        assert imaging.inspect(thumbnail).mime == "image/webp"


def test_an_image_is_not_lost_for_its_thumbnail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile, "thumbnail", broken)
    data = PLAIN["PNG"]
    assert imaging.examine(data, 32) == (imaging.inspect(data), b"")
    (record,) = caplog.records
    assert (record.levelno, record.message) == (
        logging.WARNING,
        "An image is left without a thumbnail",
    )
    with pytest.raises(MemoryError):
        imaging.scale(data, 32)


def test_a_decoder_of_another_opinion_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = pixels.DECODERS["image/png"](io.BytesIO(image_file("red", size=(9, 9))))
    monkeypatch.setitem(pixels.DECODERS, "image/png", lambda fp: other)
    with pytest.raises(ImageError) as caught:
        imaging.inspect(image_file("red"))
    assert caught.value.code == "damaged"


def test_a_wrong_checksum_is_found_without_decoding() -> None:
    data = bytearray(PLAIN["PNG"])
    data[-20] ^= 1
    for decode in (True, False):
        with pytest.raises(ImageError) as caught:
            imaging.inspect(bytes(data), decode=decode)
        assert caught.value.code == "damaged"


@pytest.mark.parametrize("share", [0.01, 0.10, 0.50, 0.90, 0.99])
@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "SVG"])
@pytest.mark.row("C06")
def test_c06_a_cut_image_is_never_accepted(name: str, share: float) -> None:
    data = SAMPLES[name][: int(len(SAMPLES[name]) * share)]
    with pytest.raises(ImageError):
        imaging.examine(data, 32)
    with pytest.raises(ImageError):
        imaging.inspect(data, decode=False)


def deep(width: int, height: int) -> bytes:
    """Return a PNG of 16 bits a channel, with alpha."""
    rows = zlib.compress((b"\0" + bytes(width * 8)) * height)
    data = png_of(width, height, chunk(b"IDAT", rows))
    header = data[16:24] + bytes([16, 6, 0, 0, 0])
    return data[:8] + chunk(b"IHDR", header) + data[33:]


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: deep(600, 400), (600, 400)),
        (lambda: image_file("red", size=(1, 60_000)), (1, 60_000)),
        (lambda: image_file("red", "JPEG", size=(60_000, 1)), (60_000, 1)),
        (lambda: frames("PNG", 10_000, (1, 1)), (1, 1)),
        (lambda: frames("WEBP", 2_000, (1, 1)), (1, 1)),
        (lambda: frames("GIF", 2_000, (1, 1)), (1, 1)),
    ],
    ids=["16 bits", "tall", "wide", "APNG", "WEBP", "GIF"],
)
@pytest.mark.row("C08")
def test_c08_what_is_legal_but_huge_costs_its_first_frame(
    make: Callable[[], bytes], size: tuple[int, int]
) -> None:
    data = make()
    start = time.process_time()
    info, thumbnail = imaging.examine(data, 320)
    assert time.process_time() - start < 1
    assert (info.width, info.height) == size
    assert max(imaging.inspect(thumbnail).width, 1) <= 320


@pytest.mark.row("C08")
def test_c08_eight_thousand_by_eight_thousand_is_too_much() -> None:
    with pytest.raises(ImageError, match="too many pixels"):
        imaging.examine(bomb(1.6), 320)


def foreign() -> dict[str, bytes]:
    """Return an image of each format that Pillow writes and that is not accepted."""
    Image.init()
    found = {}
    for form in sorted(set(Image.SAVE) - {"PNG", "JPEG", "WEBP", "GIF", "MPO"}):
        # Not each knows each mode, and some are there in name only.
        for mode in ("RGB", "1", "L", "P", "F"):
            out = io.BytesIO()
            with contextlib.suppress(Exception):
                Image.new(mode, (64, 64)).save(out, form)
                found[form] = out.getvalue()
                break
    return found


FOREIGN = foreign()


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.row("C09")
def test_c09_other_formats_are_refused(data: bytes) -> None:
    for refuse in (imaging.sniff, imaging.trim, imaging.strip, imaging.inspect):
        with pytest.raises(ImageError) as caught:
            refuse(data)
        assert caught.value.code == "unknown_type"


@pytest.mark.row("C09")
def test_c09_many_formats_are_tried() -> None:
    assert {"BMP", "EPS", "ICO", "JPEG2000", "PDF", "PPM", "TIFF"} <= set(FOREIGN)


def test_sixteen_bits_of_grey_are_not_white() -> None:
    out = io.BytesIO()
    Image.new("I;16", (900, 300), 128 * 256).save(out, "PNG")
    small = Image.open(io.BytesIO(imaging.scale(out.getvalue(), 320)))
    assert small.getpixel((9, 9)) == (128, 128, 128)


def test_many_threads_see_the_same() -> None:
    raster = [data for name, data in SAMPLES.items() if name != "SVG"]
    expected = [imaging.examine(data, 32) for data in raster]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(imaging.examine, raster * 10, [32] * len(raster) * 10))
    assert found == expected * 10
