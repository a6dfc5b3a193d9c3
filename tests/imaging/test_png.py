"""PNG: chunks are joined for the decoder and checked one by one."""

from __future__ import annotations

import io
import random
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.image_files import chunk, png_of

# More than a megabyte of image data.
SIDE = 1500
NOISE = random.Random(7).randbytes(SIDE * SIDE)
ROWS = zlib.compress(
    b"".join(
        b"\x00" + NOISE[start : start + SIDE] for start in range(0, len(NOISE), SIDE)
    ),
    1,
)


def split(size: int) -> list[bytes]:
    """Return the image data in chunks of a size."""
    return [
        chunk(b"IDAT", ROWS[start : start + size])
        for start in range(0, len(ROWS), size)
    ]


def noise(*chunks: bytes) -> bytes:
    return png_of(SIDE, SIDE, b"".join(chunks), depth=8)


def webp_pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(imaging.scale(data, 64))).tobytes()


@pytest.mark.parametrize("size", [1000, 5 * 1024, 2**16, 2**20, len(ROWS)])
def test_any_number_of_chunks_is_the_same_image(size: int) -> None:
    whole = noise(chunk(b"IDAT", ROWS))
    data = noise(*split(size))
    assert imaging.inspect(data).width == SIDE
    assert webp_pixels(data) == webp_pixels(whole)


def test_empty_chunks_are_nothing() -> None:
    first, *rest = split(2**16)
    data = noise(chunk(b"IDAT", b""), first, chunk(b"IDAT", b""), *rest)
    assert webp_pixels(data) == webp_pixels(noise(first, *rest))


@pytest.mark.parametrize("size", [1000, 2**16, len(ROWS)])
def test_decoder_gets_one_piece(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = PngImageFile.load_read

    def counted(self: PngImageFile, length: int) -> bytes:
        reads.append(length)
        return read(self, length)

    monkeypatch.setattr(PngImageFile, "load_read", counted)
    imaging.inspect(noise(*split(size)))
    assert len(reads) == 1


@pytest.mark.parametrize("size", [4000, 2**16, 2**20])
@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("decode", [True, False])
def test_every_checksum_is_compared(size: int, place: float, decode: bool) -> None:
    chunks = split(size)
    last = bytearray(chunks[-2])
    last[8 + int(place * (size - 1))] ^= 1
    with pytest.raises(ImageError, match="damaged"):
        imaging.inspect(noise(*chunks[:-2], bytes(last), chunks[-1]), decode=decode)


def test_a_lost_chunk_is_damage() -> None:
    chunks = split(2**16)
    with pytest.raises(ImageError, match="damaged"):
        imaging.inspect(noise(*chunks[:3], *chunks[4:]))


def test_image_data_that_is_not_in_a_row_is_left_to_the_decoder() -> None:
    first, *rest = split(2**16)
    apart = noise(first, chunk(b"pHYs", bytes(9)), *rest)
    with pytest.raises(ImageError, match="damaged"):
        imaging.inspect(apart)
