"""Files of every kind that some provider of models refuses."""

from __future__ import annotations

import io
import zlib
from typing import Any

from PIL import Image

from chatkit_images.imaging import ORIENTATION
from tests.image_files import chunk, frames, image_file, noise

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def turned(form: str = "JPEG") -> bytes:
    """Return a photo that lies on its side and says so; its upper half is blue."""
    image = Image.new("RGB", (300, 200), "white")
    image.paste("blue", (0, 0, 150, 200))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(image, form, exif=exif)


def deep() -> bytes:
    """Return a PNG of 16 bits for each of red, green and blue."""
    header = (64).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    row = b"\0" + b"\xff\xff\x80\x00\x00\x00" * 64
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(row * 64)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def palette() -> bytes:
    """Return a PNG of few colours, one of which is transparent."""
    image = Image.new("P", (64, 48), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 32, 48))
    return saved(image, "PNG", transparency=0)


def svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'


# Name and bytes; each is accepted as an upload, or could be made by a model.
IMAGES: dict[str, bytes] = {
    "still.gif": image_file("navy", "GIF"),
    "moving.gif": frames("GIF"),
    "moving.png": frames("PNG"),
    "moving.webp": frames("WEBP"),
    "deep.png": deep(),
    "deep-grey.png": saved(Image.new("I;16", (64, 48), 40_000), "PNG"),
    "grey.png": noise("PNG", mode="L"),
    "grey-alpha.png": noise("PNG", mode="LA"),
    "black-white.png": saved(Image.new("1", (64, 48), 1), "PNG"),
    "palette.png": palette(),
    "cmyk.jpg": noise("JPEG", mode="CMYK"),
    "grey.jpg": noise("JPEG", mode="L"),
    "turned.jpg": turned(),
    "turned.png": turned("PNG"),
    "turned.webp": turned("WEBP"),
    "dot.png": image_file("red", size=(1, 1)),
    "line.png": image_file("red", size=(3000, 1)),
    "column.webp": image_file("red", "WEBP", size=(3, 2500)),
    "wide.png": image_file("red", size=(9000, 40)),
    "large.jpg": image_file("red", "JPEG", size=(4032, 3024)),
}
# What needs no change.
PLAIN: dict[str, bytes] = {
    "plain.png": noise("PNG"),
    "alpha.png": noise("PNG", mode="RGBA"),
    "plain.jpg": noise("JPEG"),
    "steps.jpg": saved(Image.new("RGB", (64, 48), "red"), "JPEG", progressive=True),
    "plain.webp": noise("WEBP"),
    "exact.webp": saved(Image.new("RGBA", (64, 48), (1, 2, 3, 99)), "WEBP", lossless=1),
}
DOCUMENTS: dict[str, bytes] = {"fox.pdf": PDF, "fox.txt": "Füchse".encode()}


def refused_by_most(data: bytes, mime: str) -> str:
    """Return what is wrong with an image for one provider or another, else nothing."""
    if mime not in ("image/png", "image/jpeg", "image/webp"):
        return f"type {mime}"
    with Image.open(io.BytesIO(data)) as image:
        if f"image/{(image.format or '').lower()}" != mime:
            return f"{image.format} as {mime}"
        if getattr(image, "n_frames", 1) != 1:
            return "animated"
        if image.mode not in ("RGB", "RGBA"):
            return f"mode {image.mode}"
        if "transparency" in image.info:
            return "transparency beside the pixels"
        if image.getexif().get(ORIENTATION, 1) != 1:
            return "turned"
        if min(image.size) < 32 or max(image.size) > 2000:
            return f"size {image.size}"
        image.load()
    return "" if mime != "image/png" or data[24] == 8 else f"{data[24]} bits"
