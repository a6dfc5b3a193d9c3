"""Small images of decoded ones."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace

from PIL import Image

from . import colours

logger = logging.getLogger(__name__)

# How browsers turn an image upright by its EXIF.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pixels on a side of what is converted at once.
TILE = 512


@dataclass(frozen=True)
class Sketch:
    """Pixels of an image, of which a thumbnail may be made later.

    Attributes:
        pixels: As decoded, or a smaller copy.
        side: The thumbnail's longer side, in pixels.
        orientation: What EXIF says, 1 to 8.
        profile: By which the pixels are converted to sRGB; empty for none.
    """

    pixels: Image.Image
    side: int
    orientation: int
    profile: bytes = b""

    def reduced(self) -> Sketch:
        """Return a sketch with no more pixels than a good thumbnail needs."""
        factor = reduction(self.pixels.size, self.side)
        if factor < 2:
            return self
        return replace(self, pixels=reduced(self.pixels, factor, self.profile))

    def thumbnail(self) -> bytes:
        """Return the thumbnail, empty if it fails."""
        try:
            return self.webp()
        except Exception:
            logger.warning("An image is left without a thumbnail", exc_info=True)
            return b""

    def webp(self) -> bytes:
        """Return the thumbnail.

        Raises:
            Exception: Pillow's own.
        """
        pixels = eight_bit(self.pixels, self.profile)
        # Turning after scaling has fewer pixels to move; the box is a square.
        pixels.thumbnail((self.side, self.side))
        pixels = colours.to_srgb(pixels, self.profile)
        turn = TURNS.get(self.orientation)
        upright = pixels if turn is None else pixels.transpose(turn)
        out = io.BytesIO()
        upright.save(out, "WEBP", quality=82, method=2)
        return out.getvalue()


def reduction(size: tuple[int, int], side: int) -> int:
    """Return how many pixels of a row may become one, before a thumbnail is made."""
    return int(max(size) / (1.5 * side))


def eight_bit(pixels: Image.Image, profile: bytes = b"") -> Image.Image:
    """Return the pixels as RGB, or as RGBA if some may let something through.

    Those of inks stay inks, if they have a profile.
    """
    mode = _mode(pixels, profile)
    if pixels.mode == "I;16":
        # Pillow would turn all but the darkest pixels white.
        pixels = pixels.point(lambda grey: grey * (1 / 256)).convert("L")
    # Pillow returns a copy for the same mode, too.
    return pixels if pixels.mode == mode else pixels.convert(mode)


def reduced(pixels: Image.Image, factor: int, profile: bytes = b"") -> Image.Image:
    """Return the pixels as ``eight_bit`` does, so many times smaller on each side.

    One part after the other, so that there is no second image of the full size.
    """
    width, height = pixels.size
    size = -(-width // factor), -(-height // factor)
    small = Image.new(_mode(pixels, profile), size)
    tile = factor * max(1, TILE // factor)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            box = left, top, min(left + tile, width), min(top + tile, height)
            part = eight_bit(pixels.crop(box), profile).reduce(factor)
            small.paste(part, (left // factor, top // factor))
    return small


def _mode(pixels: Image.Image, profile: bytes) -> str:
    if profile and pixels.mode == "CMYK":
        return "CMYK"
    return "RGBA" if pixels.has_transparency_data else "RGB"
