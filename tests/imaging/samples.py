"""Images of every container, with and without what may be in it."""

from __future__ import annotations

import io

from PIL import Image, PngImagePlugin

from tests.image_files import SVG, frames, noise

SECRET = b"52 deg 31 min north"
PLAIN = {form: noise(form) for form in ("PNG", "JPEG", "WEBP", "GIF")}
SAMPLES = PLAIN | {
    "APNG": frames("PNG"),
    "WEBP of frames": frames("WEBP"),
    "GIF of frames": frames("GIF", loop=0, disposal=2),
}


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _several() -> bytes:
    first, second = (Image.new("RGB", (64, 48), c) for c in ("red", "blue"))
    return _saved(first, "MPO", save_all=True, append_images=[second])


MPO = _several()
SAMPLES |= {
    "JPEG of scans": _saved(
        Image.open(io.BytesIO(PLAIN["PNG"])), "JPEG", progressive=True
    ),
    "JPEG of restarts": _saved(
        Image.open(io.BytesIO(PLAIN["PNG"])), "JPEG", restart_marker_blocks=1
    ),
    "JPEG of inks": _saved(Image.new("CMYK", (64, 48), (9, 99, 0, 0)), "JPEG"),
    "PNG with a palette": _saved(
        Image.open(io.BytesIO(PLAIN["PNG"])).convert("P"), "PNG", transparency=3
    ),
    "PNG with alpha": noise("PNG", mode="RGBA"),
    "WEBP with alpha": noise("WEBP", mode="RGBA"),
    "WEBP without loss": _saved(
        Image.open(io.BytesIO(PLAIN["PNG"])), "WEBP", lossless=True
    ),
    "SVG": SVG,
}


def exif(orientation: int = 1) -> bytes:
    """Return EXIF of a camera with a name and a place."""
    found = Image.Exif()
    found[0x010F] = SECRET.decode()
    found[0x0112] = orientation
    found.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 0.0)})
    return found.tobytes()


def revealing(form: str, orientation: int = 1) -> bytes:
    """Return an image with all metadata that its format knows."""
    image = Image.open(io.BytesIO(PLAIN["PNG"]))
    xmp = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    profile = b"a colour profile" * 20
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_text("Zipped", SECRET.decode(), zip=True)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        text.add(b"tIME", bytes(7))
        text.add(b"caBX", SECRET)
        data = _saved(
            image, form, exif=exif(orientation), pnginfo=text, icc_profile=profile
        )
    elif form == "GIF":
        data = _saved(image, form, comment=SECRET)
        block = b"\x21\xff\x0bXMP DataXMP" + bytes([len(xmp)]) + xmp + b"\0"
        note = b"\x21\xce" + bytes([len(SECRET)]) + SECRET + b"\0"
        data = data[:-1] + block + note + data[-1:]
    else:
        options = {"comment": SECRET} if form == "JPEG" else {}
        data = _saved(
            image,
            form,
            exif=exif(orientation),
            xmp=xmp,
            icc_profile=profile,
            **options,
        )
    if form == "JPEG":
        data = (
            data[:2]
            + _segment(0xE0, b"JFXX\0\x10" + SECRET)
            + _segment(0xED, b"Photoshop 3.0\0" + SECRET)
            + _segment(0xEB, b"JP" + SECRET)
            + data[2:]
        )
    return data


def _segment(code: int, body: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(body) + 2).to_bytes(2, "big") + body
