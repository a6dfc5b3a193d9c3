"""Small images of decoded ones."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace

from PIL import Image

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


@dataclass(frozen=True)
class Sketch:
    """Pixels of an image, of which a thumbnail may be made later.

    Attributes:
        pixels: As decoded, or a smaller copy.
        side: The thumbnail's longer side, in pixels.
        orientation: What EXIF says, 1 to 8.
    """

    pixels: Image.Image
    side: int
    orientation: int

    def reduced(self) -> Sketch:
        """Return a sketch with no more pixels than a good thumbnail needs."""
        factor = int(max(self.pixels.size) / (1.5 * self.side))
        if factor < 2 or self.pixels.mode not in ("L", "RGB", "RGBA"):
            return self
        return replace(self, pixels=self.pixels.reduce(factor))

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
        pixels, side = self.pixels, self.side
        mode = "RGBA" if pixels.has_transparency_data else "RGB"
        if pixels.mode in ("1", "P"):
            # Images of these modes are scaled without smoothing, so only as far as
            # memory needs it.
            pixels.thumbnail((4 * side, 4 * side))
            pixels = pixels.convert(mode)
        elif pixels.mode == "I;16":
            # Pillow would turn all but the darkest pixels white.
            pixels = pixels.point(lambda grey: grey * (1 / 256)).convert("L")
        # Turning after scaling has fewer pixels to move; the box is a square.
        pixels.thumbnail((side, side))
        turn = TURNS.get(self.orientation)
        upright = pixels if turn is None else pixels.transpose(turn)
        out = io.BytesIO()
        upright.convert(mode).save(out, "WEBP", quality=82, method=2)
        return out.getvalue()
