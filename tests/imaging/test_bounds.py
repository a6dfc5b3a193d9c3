"""However many parts an image has, it is read in a moment, and a final is kept."""

from __future__ import annotations

import base64
import io
import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from chatkit_images import imaging, receiving, storage
from chatkit_images.exceptions import ImageError
from tests.image_files import chunk, frames, image_file

GREY = image_file("grey", size=(8, 8))
JPEG = image_file("grey", "JPEG", size=(8, 8))
GIF = image_file("grey", "GIF", size=(8, 8))
WEBP = image_file("grey", "WEBP", size=(8, 8))
# What A4 of the findings repeats: a scan that refines nothing.
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"%b>%b</svg>'


def progressive(scans: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """Return a JPEG whose last scan comes so many times."""
    out = io.BytesIO()
    Image.new("L", size).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def riff(*more: bytes) -> bytes:
    """Return a WebP with further chunks."""
    body = WEBP[8:] + b"".join(more)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(*more: bytes) -> bytes:
    """Return a GIF with something before its frame."""
    table = 13 + (3 << (GIF[10] & 7) + 1)
    return GIF[:table] + b"".join(more) + GIF[table:]


def png(*more: bytes) -> bytes:
    """Return a PNG with further chunks before its pixels."""
    return GREY[:33] + b"".join(more) + GREY[33:]


def arithmetic() -> bytes:
    return JPEG.replace(b"\xff\xc0", b"\xff\xc9", 1)


# Each is made by its test: some are large, and every process imports this module.
MANY: dict[str, Callable[[], bytes]] = {
    "extensions of a GIF": lambda: gif(
        bytes.fromhex("21f9040000000000 21fe00") * 400_000
    ),
    "blocks of a GIF": lambda: gif(b"\x21\xfe" + b"\x01a" * 5_000_000 + b"\0"),
    "credentials of a GIF": lambda: gif(
        b"\x21\xff\x0bC2PA_GIF\x01\0\0" + b"\x01a" * 60_000 + b"\0"
    ),
    "chunks of a PNG": lambda: png(chunk(b"prVt", b"") * 200_000),
    "frames of a PNG": lambda: png(chunk(b"fcTL", bytes(26)) * 100_000),
    "chunks of a WebP": lambda: riff(b"ABCD\0\0\0\0" * 500_000),
    "scans of a JPEG": lambda: progressive(33),
    "segments of a JPEG": lambda: JPEG[:2] + b"\xff\xe1\0\2" * 5000 + JPEG[2:],
    "another coding of a JPEG": lambda: arithmetic(),
    "elements of an SVG": lambda: SVG % (b"", b"<g/>" * 1_000_000),
    "attributes of an SVG": lambda: (
        SVG % (b"".join(b' a%d=""' % n for n in range(1_100_000)), b"")
    ),
    "defaults of an SVG": lambda: (
        b"<?xml version='1.0'?><!DOCTYPE svg ["
        + b"".join(b"<!ATTLIST g a%d CDATA 'x'>" % n for n in range(110))
        + b"]>"
        + SVG % (b"", b"<g/>" * 100_000)
    ),
    "attributes of a tag of an SVG": lambda: (
        SVG % (b"".join(b' a%d=""' % n for n in range(30_000)), b"")
    ),
    "references of an SVG": lambda: (
        b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'a'>]>"
        + SVG % (b"", b"&a;" * 20_000)
    ),
    "entities of an SVG": lambda: (
        b"<?xml version='1.0'?><!--<svg-->"
        b"<!DOCTYPE svg [<!ENTITY a '%b'>]>" % (b"a" * 100_000) + SVG % (b"", b"")
    ),
    "entities in entities of an SVG": lambda: (
        b"<?xml version='1.0'?><!DOCTYPE svg "
        b"[<!ENTITY a 'a'><!ENTITY b '&a;'>]>" + SVG % (b"", b"")
    ),
}


@pytest.mark.parametrize("make", MANY.values(), ids=list(MANY))
async def test_too_many_parts_are_refused_at_once_and_a_final_of_them_is_kept(
    make: Callable[[], bytes],
) -> None:
    """A8."""
    data = make()
    began = time.process_time()
    for read in (imaging.strip, imaging.trim, imaging.inspect):
        with pytest.raises(ImageError) as caught:
            read(data)
        assert caught.value.code == "too_complex"
    assert time.process_time() - began < 3

    arrival = receiving.receive(base64.b64encode(data), storage.new_key())
    assert await arrival.upload.done()
    assert storage.read(arrival.stored.name) == data
    info = arrival.stored.info
    assert (info.size, len(info.sha256)) == (len(data), 64)
    assert arrival.sketch is None


def test_names_of_namespaces_are_not_put_before_each_name_that_has_one() -> None:
    space = b' xmlns:a="%b"' % (b"u" * 100_000)
    tags = b"".join(b'<a:g%d a:b=""/>' % n for n in range(5000))
    data = SVG % (space, tags)
    tracemalloc.start()
    try:
        assert imaging.trim(data) == data
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [progressive(33), arithmetic()])
def test_what_is_kept_has_the_size_of_its_header(data: bytes) -> None:
    info, thumbnail = imaging.examine(data, 32, keep=True)
    assert (info.width, info.height, thumbnail) == (8, 8, b"")


def test_large_images_may_have_fewer_scans(settings: Any) -> None:
    """A4."""
    assert imaging.inspect(progressive(26)).width == 8
    large = progressive(26, (6300, 6300))
    with pytest.raises(ImageError) as caught:
        imaging.strip(large)
    assert caught.value.code == "too_complex"
    # What encoders write is read, whatever the size: ten scans, 18 of inks.
    out = io.BytesIO()
    Image.new("CMYK", (6300, 5000)).save(out, "JPEG", progressive=True)
    assert out.getvalue().count(b"\xff\xda") == 18
    assert imaging.strip(out.getvalue()) == out.getvalue()
    assert imaging.inspect(progressive(1, (6300, 6300))).width == 6300


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_of_some_thousand_frames_is_an_image(form: str) -> None:
    data = frames(form, 3000, (8, 8))
    assert imaging.inspect(imaging.strip(data)).width == 8
