"""Small pictures of decoded ones."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace

from PIL import Image

logger = logging.getLogger(__name__)

# How browsers set right what a camera that was turned says in EXIF.
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
    """Pixels of a picture that may be a thumbnail later.

    Attributes:
        picture: As decoded, or a smaller copy.
        side: The thumbnail's longer side, in pixels.
        orientation: What EXIF says, 1 to 8.
    """

    picture: Image.Image
    side: int
    orientation: int

    def reduced(self) -> Sketch:
        """Return one with no more pixels than a good thumbnail needs."""
        factor = int(max(self.picture.size) / (1.5 * self.side))
        if factor < 2 or self.picture.mode not in ("L", "RGB", "RGBA"):
            return self
        return replace(self, picture=self.picture.reduce(factor))

    def thumbnail(self) -> bytes:
        """Return the thumbnail, empty if it fails."""
        try:
            return self.webp()
        except Exception:
            logger.warning("A picture is left without a thumbnail", exc_info=True)
            return b""

    def webp(self) -> bytes:
        """Return the thumbnail.

        Raises:
            Exception: Pillow's own.
        """
        picture, side = self.picture, self.side
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        if picture.mode in ("1", "P"):
            # These are scaled without smoothing: only as far as memory needs it.
            picture.thumbnail((4 * side, 4 * side))
            picture = picture.convert(mode)
        elif picture.mode == "I;16":
            # All but the darkest would turn white.
            picture = picture.point(lambda grey: grey * (1 / 256)).convert("L")
        # Turning after scaling has fewer pixels to move; the box is a square.
        picture.thumbnail((side, side))
        turn = TURNS.get(self.orientation)
        upright = picture if turn is None else picture.transpose(turn)
        out = io.BytesIO()
        upright.convert(mode).save(out, "WEBP", quality=82, method=2)
        return out.getvalue()
