"""Bytes after the end of an image are cut off, and the image stays."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from PIL import Image

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from chatkit_images.imaging import buffers, jpeg
from tests.image_files import SVG, chunk, png_of, shown
from tests.imaging.samples import MPO, PLAIN, SAMPLES


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("evil.html", "<script>payload</script>")
    return out.getvalue()


PAYLOADS = {
    "HTML": b"<html><script>payload</script></html>",
    "JS": b"/*\xff\xd9\xff\xd9*/=1;alert('payload');//",
    "ZIP": archive(),
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "SVG"])
@pytest.mark.row("C04")
def test_c04_what_is_appended_is_cut(name: str, payload: bytes) -> None:
    data = imaging.trim(SAMPLES[name])
    for clean in (imaging.trim, imaging.strip):
        found = clean(data + payload)
        assert payload not in found and found == clean(data)
        assert shown(found) == shown(data)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_image_that_nothing_follows_is_not_copied(name: str) -> None:
    assert imaging.trim(SAMPLES[name]) is SAMPLES[name]


def test_the_first_of_several_images_is_kept() -> None:
    first = imaging.trim(MPO)
    assert len(first) < len(MPO) and MPO.startswith(first)
    assert imaging.inspect(first).mime == "image/jpeg"
    assert imaging.trim(MPO + b"<html>") == first
    # Nothing points at the other one any more.
    assert shown(imaging.strip(MPO)) == shown(MPO)[:1]


def test_a_webp_of_odd_length_ends_with_its_padding() -> None:
    data = PLAIN["WEBP"]
    body = data[12:] + b"XMP \x03\0\0\0abc"
    odd = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    assert imaging.trim(odd) is odd
    assert imaging.trim(odd + b"\0") == odd + b"\0"
    assert imaging.trim(odd + b"\0<html>") == odd + b"\0"
    # Nor does a rest that is too short for a chunk make it another image.
    rest = b"RIFF" + struct.pack("<I", 4 + len(body) + 3) + b"WEBP" + body + b"\0ab"
    assert imaging.strip(odd) == imaging.strip(rest) == data


def test_fill_and_lone_markers_of_a_jpeg_mean_nothing() -> None:
    data = PLAIN["JPEG"]
    loose = data[:2] + b"\xff\xff\xff\x01" + b"\0" + data[2:]
    assert imaging.trim(loose) is loose
    assert imaging.strip(loose) == imaging.strip(data)


def test_a_marker_is_found_wherever_a_window_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = SAMPLES["JPEG of scans"]
    for window in range(1, 12):
        monkeypatch.setattr(jpeg, "WINDOW", window)
        assert imaging.trim(data + b"<html>") == data


def test_an_image_is_joined_of_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    data = PLAIN["PNG"]
    monkeypatch.setattr(buffers, "SLICE", 1000)
    assert imaging.trim(data + b"<html>") == data
    assert buffers.join([]) == b""


END = chunk(b"IEND", b"")
DAMAGED = {
    "PNG that begins amiss": png_of(8, 8)[:8] + chunk(b"tEXt", b"") + END,
    "PNG of nothing": png_of(8, 8)[:8],
    "PNG without an end": PLAIN["PNG"][:-12],
    "PNG of a huge chunk": png_of(8, 8, b"\xff\xff\xff\xffIDAT"),
    "JPEG of nothing": b"\xff\xd8\xff\xd9",
    "JPEG in a JPEG": PLAIN["JPEG"][:2] + PLAIN["JPEG"],
    "JPEG of a bad length": b"\xff\xd8\xff\xe0\0\x01" + PLAIN["JPEG"][2:],
    "JPEG without an end": PLAIN["JPEG"][:-2],
    "WEBP without an end": PLAIN["WEBP"][:-1],
    "WEBP of a huge chunk": PLAIN["WEBP"][:16] + b"\xff\xff" + PLAIN["WEBP"][18:],
    "WEBP of nothing": b"RIFF\x04\0\0\0WEBP",
    "WEBP of something else": b"RIFF\x0c\0\0\0WEBPABCD\0\0\0\0",
    "GIF of nothing": b"GIF89a",
    "GIF of no frame": PLAIN["GIF"][:6] + b"\x08\0\x08\0\0\0\0;",
    "GIF without an end": PLAIN["GIF"][:-1],
    "GIF with something between": PLAIN["GIF"][:-1] + b"\0;",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_container_is_refused(data: bytes) -> None:
    for refuse in (imaging.trim, imaging.strip, imaging.inspect):
        with pytest.raises(ImageError, match="^The image is damaged.$") as caught:
            refuse(data)
        assert caught.value.code == "damaged"


def test_what_is_no_image_is_of_an_unknown_type() -> None:
    for refuse in (imaging.sniff, imaging.trim, imaging.strip):
        for data in (b"", b"<html>", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"\xff\xd8"):
            with pytest.raises(ImageError, match="of an unknown type") as caught:
                refuse(data)
            assert caught.value.code == "unknown_type"


def test_an_svg_is_left_alone() -> None:
    assert imaging.sniff(SVG) == ("image/svg+xml", "svg")
    assert imaging.trim(SVG) is SVG and imaging.strip(SVG) is SVG


def test_a_gif_shows_its_first_frame_whole() -> None:
    data = bytearray(PLAIN["GIF"])
    data[6:10] = b"\x02\0\x02\0"
    info = imaging.inspect(bytes(data))
    assert (info.width, info.height) == Image.open(io.BytesIO(data)).size == (64, 48)
