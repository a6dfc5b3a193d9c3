"""A refused upload says what was found, and what is accepted."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images.exceptions import RequestRefused
from chatkit_images.queries import uploaded_files
from tests.image_files import SVG, frames, noise, png_of
from tests.test_imaging import FOREIGN


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as files:
        for name in names:
            files.writestr(name, "a" * 40)
    return out.getvalue()


def box(brand: str, *others: str) -> bytes:
    """Return how a file of ISO's media format begins."""
    brands = (brand + "\0\0\0\0" + "".join(others)).encode()
    return (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands + bytes(99)


FOUND: dict[str, tuple[bytes, str]] = {
    "heic": (box("heic", "mif1"), "HEIC"),
    "heic of a phone": (box("mif1", "mif1", "heic"), "HEIC"),
    "heif": (box("mif1", "mif1"), "HEIF"),
    "avif": (box("avif"), "AVIF"),
    "avif, by its brands": (box("mif1", "miaf", "avif"), "AVIF"),
    "mp4": (box("isom", "mp41"), "video"),
    "quicktime": (box("qt  "), "video"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(40), "video"),
    "mp3": (b"ID3\x04" + bytes(40), "sound"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "sound"),
    "bmp": (FOREIGN["BMP"], "BMP"),
    "tiff": (FOREIGN["TIFF"], "TIFF"),
    "tiff, the other way": (b"MM\x00*" + bytes(40), "TIFF"),
    "ico": (FOREIGN["ICO"], "ICO"),
    "psd": (b"8BPS\x00\x01" + bytes(40), "PSD"),
    "jpeg xl": (b"\xff\x0a" + bytes(40), "JPEG XL"),
    "jpeg xl in a box": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
    "svg": (SVG, "SVG"),
    "word": (archive("[Content_Types].xml", "word/document.xml"), "Word"),
    "excel": (archive("[Content_Types].xml", "xl/workbook.xml"), "Excel"),
    "powerpoint": (archive("[Content_Types].xml", "ppt/a.xml"), "PowerPoint"),
    "zip": (archive("a.txt"), "ZIP"),
    "gzip": (gzip.compress(SVG), "archive"),
    "old office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "Office"),
    "program": (b"MZ\x90\x00\x03" + bytes(40), "program"),
    "utf-16": ("a fox".encode("utf-16"), "UTF-16"),
}
# They are text, and so accepted unless a project says otherwise.
TEXTS: dict[str, tuple[bytes, str]] = {
    "page": (b"<!DOCTYPE html><script>alert(1)</script>", "web page"),
    "page behind a comment": (b"\n<!-- a --><html></html>", "web page"),
    "xml": (b"<?xml version='1.0'?><a/>", "XML"),
    "postscript": (b"%!PS-Adobe-3.0\n", "PostScript"),
    "rtf": (b"{\\rtf1 a}", "RTF"),
    "text": ("Füchse".encode() * 2000, "plain text"),
    "a cut svg": (b"<?xml version='1.0'?><!-- a --><!DOCTYPE svg><svg", "SVG"),
}


def refusal(data: bytes, name: str = "fox.png") -> tuple[str, int, str]:
    with pytest.raises(RequestRefused) as caught:
        uploaded_files.take_file(SimpleUploadedFile(name, data))
    return caught.value.code, caught.value.status, caught.value.message


@pytest.mark.parametrize("kind", FOUND)
def test_a_type_that_is_not_accepted_is_named(kind: str) -> None:
    data, found = FOUND[kind]
    assert refusal(data) == (
        "unsupported_type",
        415,
        f"Files of this type ({found}) are not accepted. "
        "Accepted types: PNG, JPEG, WebP, GIF, PDF, plain text.",
    )


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_named_where_text_is_not_accepted(kind: str, settings: Any) -> None:
    settings.CHATKIT_IMAGES |= {"ATTACHMENT_TYPES": ["image/png", "image/x-own"]}
    data, found = TEXTS[kind]
    assert refusal(data)[2] == (
        f"Files of this type ({found}) are not accepted. "
        "Accepted types: PNG, image/x-own."
    )


@pytest.mark.parametrize("data", [b"\x00\x01\x02\x03" * 9, b"\x80abc", b"a\x00b"])
def test_a_type_that_nobody_knows_is_unknown(data: bytes) -> None:
    assert refusal(data)[2].startswith("Files of an unknown type are not accepted.")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_damaged_image_is_called_damaged(form: str, share: float) -> None:
    data = noise(form)
    name = "WebP" if form == "WEBP" else form
    assert refusal(data[: int(len(data) * share)]) == (
        "damaged_file",
        400,
        f"This file ({name}) is damaged, or a part of it is missing.",
    )


def test_an_image_that_is_too_large_is_called_so(settings: Any) -> None:
    assert refusal(png_of(60_000, 60_000))[0] == "too_many_pixels"
    settings.CHATKIT_IMAGES |= {"MAX_IMAGE_BYTES": 99}
    assert refusal(frames("GIF")) == ("too_large", 413, "The file is too large.")
