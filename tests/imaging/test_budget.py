"""What decoders take at once stays within one budget."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from chatkit_images.imaging import budget, pixels
from tests.image_files import chunk, frames, png_of
from tests.tuning import tuned

# A1 of the findings: 6300 x 6300 pixels.
CLAIM = bytes.fromhex(
    "52494646 1a000000 57454250 5650384c 0e000000 2f9bd826 06071011 fd0f4444 ff03"
)


@pytest.fixture
def limit(settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, DECODE_MEMORY_BYTES=100)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What the budget held each time when a decoder started."""
    found: list[int] = []
    load = pixels.load

    def spy(*args: Any) -> Any:
        found.append(budget.held())
        return load(*args)

    monkeypatch.setattr(pixels, "load", spy)
    yield found
    assert budget.held() == 0


def test_an_image_of_few_bytes_and_many_pixels_is_not_decoded(held: list[int]) -> None:
    for read in (
        imaging.inspect,
        imaging.redraw,
        lambda data: imaging.examine(data, 320),
        lambda data: imaging.scale(data, 320),
    ):
        with pytest.raises(ImageError) as caught:
            read(CLAIM)
        assert caught.value.code == "too_heavy"
    info, thumbnail = imaging.examine(CLAIM, 320, keep=True)
    assert (info.width, info.height, len(info.sha256)) == (6300, 6300, 64)
    assert (thumbnail, held) == (b"", [])


def test_decoders_wait_for_memory_in_their_order(limit: None) -> None:
    order: list[int] = []
    begun = threading.Event()

    def work(size: int) -> None:
        with budget.hold(size):
            order.append(size)

    with ThreadPoolExecutor(3) as pool:
        with budget.hold(60):
            jobs = []
            # The smaller ones would fit, but must not overtake the larger one for ever.
            for count, size in enumerate((90, 30, 20), 1):
                jobs.append(pool.submit(work, size))
                while len(budget._line) < count:
                    begun.wait(0.001)
            assert order == []
        for job in jobs:
            job.result(10)
    assert order[0] == 90
    assert sorted(order) == [20, 30, 90]
    assert budget.held() == 0


def test_a_thread_never_waits_for_itself(limit: None) -> None:
    with budget.hold(80), budget.hold(90), budget.hold(10):
        assert budget.held() == 90
    assert budget.held() == 0


def test_an_error_gives_the_memory_back(held: list[int]) -> None:
    for data in (png_of(8, 8), png_of(8, 8, chunk(b"IDAT", b"x"))):
        with pytest.raises(ImageError):
            imaging.inspect(data)


def coded(mode: str, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (1000, 1000)).save(out, form, **options)
    return out.getvalue()


KINDS = {
    # Bytes of a pixel: what is decoded, what the decoder keeps beside it.
    "PNG of RGB": (coded("RGB", "PNG"), 4),
    "PNG of grey": (coded("L", "PNG"), 1),
    "PNG of deep grey": (coded("I;16", "PNG"), 2),
    "PNG of a palette": (coded("P", "PNG"), 1),
    "PNG of grey and alpha": (coded("LA", "PNG"), 4),
    "JPEG": (coded("RGB", "JPEG"), 4),
    "JPEG of grey": (coded("L", "JPEG"), 1),
    "JPEG of inks": (coded("CMYK", "JPEG", progressive=True), 4 + 8),
    "JPEG of scans": (coded("RGB", "JPEG", progressive=True), 4 + 3),
    "JPEG of full scans": (
        coded("RGB", "JPEG", progressive=True, subsampling=0),
        4 + 6,
    ),
    "WebP": (coded("RGB", "WEBP"), 16.6),
    "WebP without loss": (coded("RGBA", "WEBP", lossless=True), 16.6),
    "WebP of frames": (frames("WEBP", 2, (1000, 1000)), 16.6),
    "GIF": (coded("P", "GIF"), 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_takes_what_its_decoder_needs(kind: str, held: list[int]) -> None:
    data, pixel = KINDS[kind]
    # No smaller than it is coded.
    with pixels.decoded(data, *_known(data), side=1000):
        assert budget.held() == int(2 * len(data) + pixel * 10**6) + 8 * 1000


def test_a_jpeg_is_decoded_to_the_pixels_that_are_needed(held: list[int]) -> None:
    data = coded("RGB", "JPEG")
    with pixels.decoded(data, *_known(data), side=200) as found:
        assert found.size == (250, 250)
        assert budget.held() == 2 * len(data) + 4 * 250**2 + 8 * 250


def test_rows_of_one_pixel_take_more_than_the_pixel(held: list[int]) -> None:
    """A pointer to each row is most of the memory of 40 million rows."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 40_000_000, 1, 0, 0, 0, 0))
    data = png_of(1, 1)[:8] + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ImageError) as caught:
        imaging.inspect(data)
    assert (caught.value.code, held) == ("too_heavy", [])


@pytest.mark.parametrize("size", [(9_000_000, 1), (65_000, 100)])
def test_a_giant_of_one_row_is_one_like_any(size: tuple[int, int]) -> None:
    out = io.BytesIO()
    form = "JPEG" if size[1] > 1 else "PNG"
    Image.new("L", size).save(out, form)
    small = Image.open(io.BytesIO(imaging.scale(out.getvalue(), 320)))
    assert max(small.size) == 320
    assert max(Image.open(io.BytesIO(imaging.redraw(out.getvalue())[1])).size) == 2000


def _known(data: bytes) -> tuple[str, Any]:
    outside = imaging.check(data)
    return outside.info.mime, outside.layout
