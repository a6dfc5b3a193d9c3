"""Images that are kept beside the events in which the model sent them.

A model's image is megabytes of base64 within one line of JSON. Each layer above the
socket searches, copies or parses that line on the event loop. So a placeholder replaces
the base64 there, and the base64 stays in the pieces in which it came.
"""

from __future__ import annotations

import re
import secrets

from ..exceptions import PlaceholderUnknown
from . import buffers

# Where the Agents SDK puts the result of a call into the model's next input. Nothing
# that a person or the model has written matches: there, quotes are escaped.
RESULT = re.compile(rb'("result"\s*:\s*")(chatkit-images:[0-9a-f]{32})(?=")')


class Base64Image:
    """Base64 of one image, in pieces. Its length is in characters."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._length = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._length

    def tail(self, length: int) -> bytes:
        """Return its last characters."""
        found = b""
        for piece in reversed(self._pieces):
            found = piece[-length:] + found
            if len(found) >= length:
                break
        return found[-length:]

    def join(self) -> bytes:
        """Return the base64 in one piece."""
        return buffers.join(self._pieces)


class RawImage:
    """The bytes of one image, as a source sends them that uses no base64."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)


# An image as its source has sent it, and the same in one piece.
SentImage = str | Base64Image | RawImage
WholeImage = str | bytes | RawImage


class Placeholders:
    """The placeholders for the images of one run. They are random and secret."""

    def __init__(self) -> None:
        self._partials: dict[str, Base64Image] = {}
        # Finals are kept, because the next request to the model may repeat them.
        self._finals: dict[str, Base64Image] = {}

    def put(self, image: Base64Image, *, partial: bool) -> str:
        """Keep an image and return its placeholder."""
        placeholder = f"chatkit-images:{secrets.token_hex(16)}"
        (self._partials if partial else self._finals)[placeholder] = image
        return placeholder

    def take(self, text: str) -> str | Base64Image:
        """Return the image of a placeholder; any other text is returned as it is.

        This forgets a partial image, so it must be called even if the partial image is
        not wanted.
        """
        if text in self._partials:
            return self._partials.pop(text)
        return self._finals.get(text, text)

    def fill(self, body: bytes) -> bytes:
        """Return a request's body with the results of its calls in their places.

        Raises:
            PlaceholderUnknown: If a placeholder is of another run.
        """
        return RESULT.sub(self._fill, body)

    def clear(self) -> None:
        """Forget all of them."""
        self._partials.clear()
        self._finals.clear()

    def _fill(self, match: re.Match[bytes]) -> bytes:
        image = self._finals.get(match[2].decode())
        if image is None:
            raise PlaceholderUnknown(
                "The model's input has a placeholder for an image of an earlier run. "
                "ImageHttpxClient does not work with sessions and stored states of the "
                "Agents SDK, which keep the input longer."
            )
        return match[1] + image.join()
