"""Where the parts of an image's container are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..exceptions import ImageError


@dataclass
class Layout:
    """What a walk through a container found.

    Attributes:
        width: Pixels, as they are coded.
        height: Pixels, as they are coded.
        end: Where the container ends and foreign bytes may begin.
        orientation: What EXIF says, 1 to 8.
        is_plain: Whether the pixels are one frame of 8-bit RGB or RGBA.
        depth: Bytes that a decoded pixel takes.
        held: Bytes that the decoder itself keeps of each pixel, until all are decoded.
        scales: Whether the decoder can make fewer pixels than are coded.
        parts: The image without its metadata: ranges of the data, and new bytes.
        credentials: Where the parts of its content credentials are.
    """

    width: int = 0
    height: int = 0
    end: int = 0
    orientation: int = 1
    is_plain: bool = False
    depth: int = 4
    held: float = 0
    scales: bool = False
    parts: list[tuple[int, int] | bytes] = field(default_factory=list)
    credentials: list[tuple[int, int]] = field(default_factory=list)

    def keep(self, start: int, stop: int) -> None:
        """Note a range of the data as a part of the image."""
        last = self.parts[-1] if self.parts else b""
        if isinstance(last, tuple) and last[1] == start:
            self.parts[-1] = (last[0], stop)
        else:
            self.parts.append((start, stop))

    def put(self, data: bytes) -> None:
        """Note new bytes as a part of the image."""
        self.parts.append(data)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(
            len(part) if isinstance(part, bytes) else part[1] - part[0]
            for part in self.parts
        )

    def parts_of(self, data: bytes) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the parts."""
        view = memoryview(data)
        for part in self.parts:
            yield part if isinstance(part, bytes) else view[part[0] : part[1]]

    def too_complex(self) -> TooComplex:
        """Return the error for an image with more of something than real ones have."""
        return TooComplex(self.width, self.height)


class TooComplex(ImageError):
    """An image that would take too long to read, whatever its size.

    Attributes:
        width: Pixels, as they are coded; 0 if that was not found.
        height: Pixels, as they are coded; 0 if that was not found.
    """

    def __init__(self, width: int = 0, height: int = 0) -> None:
        super().__init__("too_complex", "The image has too many parts.")
        self.width, self.height = width, height


def damaged() -> ImageError:
    """Return the error for bytes that begin as an image and are none."""
    return ImageError("damaged", "The image is damaged.")
