"""Metadata of uploads goes; what an image looks like stays."""

from __future__ import annotations

import asyncio
import io
import struct
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from chatkit_images import imaging, storage
from chatkit_images.imaging import exif
from chatkit_images.queries import uploaded_files
from tests.image_files import SVG, shown
from tests.imaging.samples import PLAIN, SAMPLES, SECRET, revealing


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.row("C14")
def test_c14_nothing_tells_where_an_image_was_taken(form: str) -> None:
    data = revealing(form)
    assert SECRET in data
    found = imaging.strip(data)
    assert SECRET not in found and b"xmpmeta" not in found
    with Image.open(io.BytesIO(found)) as image:
        image.load()
        assert not image.getexif()
        assert not {"comment", "xmp", "exif", "photoshop", "Zipped"} & set(image.info)
        if form != "GIF":
            assert image.info["icc_profile"] == b"a colour profile" * 20
    assert shown(found) == shown(data)
    assert imaging.strip(found) is found


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.row("C14")
def test_c14_an_image_stays_upright(orientation: int, form: str) -> None:
    data = revealing(form, orientation)
    found = imaging.strip(data)
    assert SECRET not in found
    assert shown(found) == shown(data)
    before, after = imaging.inspect(data), imaging.inspect(found)
    assert (before.width, before.height) == (after.width, after.height)
    assert (after.width < after.height) == (orientation > 4)
    with Image.open(io.BytesIO(found)) as image:
        said = dict(image.getexif())
    assert said == ({imaging.ORIENTATION: orientation} if orientation > 1 else {})
    assert imaging.strip(found) == found


@pytest.mark.parametrize("name", SAMPLES)
def test_an_image_looks_the_same(name: str) -> None:
    data = SAMPLES[name]
    found = imaging.strip(data)
    assert len(found) <= len(data)
    if name != "SVG":
        assert shown(found) == shown(data)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_image_without_metadata_is_not_copied(name: str) -> None:
    data = imaging.strip(SAMPLES[name])
    assert imaging.strip(data) is data


def test_repetition_of_a_gif_stays() -> None:
    found = imaging.strip(SAMPLES["GIF of frames"])
    assert Image.open(io.BytesIO(found)).info["loop"] == 0


def test_a_gif_that_shows_text_keeps_it() -> None:
    data = PLAIN["GIF"]
    text = b"\x21\x01\x0c" + bytes(12) + b"\x02hi\0"
    data = data[:-1] + text + data[-1:]
    assert imaging.strip(data) is data


def test_a_thumbnail_within_a_jpeg_goes() -> None:
    data = PLAIN["JPEG"]
    assert data[2:4] == b"\xff\xe0" and data[18:20] == b"\0\0"
    thumbnail = data[:4] + b"\x00\x13" + data[6:18] + b"\1\1" + b"rgb" + data[20:]
    assert imaging.strip(thumbnail) == data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 1),
        (b"II*\0", 1),
        (b"XX*\0" + bytes(99), 1),
        (exif.minimal(6), 6),
        (b"Exif\0\0" + exif.minimal(8), 8),
        (exif.minimal(0), 1),
        (exif.minimal(9), 1),
        (exif.minimal(6)[:-8], 1),
        (exif.minimal(6).replace(b"\x12\0\3", b"\x12\0\4"), 1),
        (b"II*\0\x08\0\0\0" + struct.pack("<HHHIHH", 1, 0x0112, 3, 1, 3, 0), 3),
        (b"MM\0*\xff\xff\xff\xff", 1),
        (b"MM\0*\0\0\0\x08\0\0", 1),
    ],
)
def test_broken_exif_says_nothing(data: bytes, expected: int) -> None:
    assert exif.orientation(data) == expected


def test_only_the_first_exif_counts() -> None:
    data = revealing("JPEG", 6)
    start = data.index(b"\xff\xe1")
    length = int.from_bytes(data[start + 2 : start + 4], "big") + 2
    other = revealing("JPEG", 3)
    second = other[other.index(b"\xff\xe1") :][:length]
    twice = data[: start + length] + second + data[start + length :]
    found = imaging.strip(twice)
    assert found == imaging.strip(data)
    assert Image.open(io.BytesIO(found)).getexif()[imaging.ORIENTATION] == 6


def test_a_webp_that_denies_its_exif_has_none() -> None:
    data = bytearray(revealing("WEBP", 6))
    data[20] &= ~0x08
    assert imaging.inspect(bytes(data)).width == 64
    assert b"EXIF" not in imaging.strip(bytes(data))


def test_a_webp_that_promises_exif_and_has_none_is_as_it_is() -> None:
    data = bytearray(imaging.strip(revealing("WEBP")))
    data[20] |= 0x08
    assert imaging.inspect(bytes(data)).width == 64
    assert imaging.strip(bytes(data)) == imaging.strip(revealing("WEBP"))


def upload(data: bytes) -> uploaded_files.StoredFile:
    arrival = uploaded_files.take_file(SimpleUploadedFile("a.jpg", data))
    for write in arrival.writes:
        assert asyncio.run(write.done())
    return arrival.stored


@pytest.mark.row("C14")
def test_c14_uploads_are_stripped_before_they_are_measured() -> None:
    data = revealing("JPEG", 6)
    stored = upload(data + b"<html>")
    kept = storage.read(stored.name)
    assert kept == imaging.strip(data)
    info = imaging.inspect(kept)
    assert (stored.size, stored.sha256) == (info.size, info.sha256)
    assert (stored.width, stored.height) == (48, 64)
    assert Image.open(io.BytesIO(storage.read(stored.thumbnail))).size == (48, 64)


@pytest.mark.row("C14")
def test_c14_a_project_may_keep_the_metadata_of_uploads(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"STRIP_METADATA": False}
    data = revealing("JPEG", 6)
    assert storage.read(upload(data + b"<html>").name) == data


def test_documents_are_stored_as_they_came() -> None:
    for data in (b"%PDF-1.7\n\xe2\xe3", b"Exif", b"GIF89a is a format"):
        stored = upload(data)
        assert storage.read(stored.name) == data and not stored.thumbnail


def test_an_svg_that_a_project_accepts_has_neither_size_nor_thumbnail(
    settings: Any,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "ATTACHMENT_TYPES": ["image/svg+xml"]
    }
    stored = upload(SVG)
    assert (stored.mime, stored.width, stored.height) == ("image/svg+xml", None, None)
    assert storage.read(stored.name) == SVG and not stored.thumbnail
