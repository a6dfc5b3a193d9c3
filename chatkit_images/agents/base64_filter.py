"""Images taken out of a stream of server-sent events before it is parsed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pybase64
from httpx2 import AsyncByteStream

from ..exceptions import ImageError
from ..imaging import Base64Image, Placeholders, sniff

# What is before an image in an event of the Responses API.
KEY = re.compile(rb'"(partial_image_b64|result)"[ \t]*:[ \t]*"')
# Bytes at the end of a chunk that may be the beginning of a key.
KEY_LENGTH = 64
# Characters of base64 that are enough to recognise the type of an image.
HEAD = 8 * 1024


class Base64Filter:
    """Replaces images by placeholders, and leaves all else as it came.

    A string that is short, has an escape or does not begin as an image is passed on
    unchanged, even if that turns out late.
    """

    def __init__(self, placeholders: Placeholders, shortest: int) -> None:
        self._placeholders = placeholders
        self._shortest = shortest
        # Bytes that were not searched to their end.
        self._rest = b""
        # The string that is being read, if one is, and whether it is a partial image's.
        self._pieces: list[bytes] | None = None
        self._partial = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take bytes and yield those that may go on."""
        while chunk:
            if self._pieces is None:
                passed, chunk = self._search(self._rest + chunk)
            else:
                passed, chunk = self._read(self._pieces, chunk)
            if passed:
                yield passed

    def finish(self) -> bytes:
        """Return the bytes that were held back when the stream ended."""
        rest = b"".join([self._rest, *(self._pieces or ())])
        self._rest, self._pieces = b"", None
        return rest

    def _search(self, data: bytes) -> tuple[bytes, bytes]:
        """Search for the beginning of an image; return bytes to pass on and a rest."""
        if match := KEY.search(data):
            self._rest, self._pieces = b"", []
            self._partial = match[1] != b"result"
            return data[: match.end()], data[match.end() :]
        # An event counts only when its line ends, so nothing waits for the bytes that
        # are held back here.
        line = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        cut = max(line, len(data) - KEY_LENGTH)
        self._rest = data[cut:]
        return data[:cut], b""

    def _read(self, pieces: list[bytes], chunk: bytes) -> tuple[bytes, bytes]:
        """Read on in a string; return bytes to pass on and the rest."""
        end = chunk.find(b'"')
        piece = chunk if end < 0 else chunk[:end]
        pieces.append(piece)
        if b"\\" in piece or b"\n" in piece:
            # Where a string with an escape ends is unknown here. The search goes on
            # after it.
            self._pieces = None
            return b"".join(pieces), chunk[len(piece) :]
        if end < 0:
            return b"", b""
        self._pieces = None
        return self._stand_in(pieces), chunk[end:]

    def _stand_in(self, pieces: list[bytes]) -> bytes:
        image = Base64Image(pieces)
        if len(image) < self._shortest or not _begins_as_image(pieces):
            return b"".join(pieces)
        return self._placeholders.put(image, partial=self._partial).encode()


class Base64FilterStream(AsyncByteStream):
    """The body of a response, with placeholders for its images."""

    def __init__(
        self, body: AsyncByteStream, placeholders: Placeholders, shortest: int
    ) -> None:
        self._body = body
        self._filter = Base64Filter(placeholders, shortest)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            for passed in self._filter.feed(chunk):
                yield passed
        if rest := self._filter.finish():
            yield rest

    async def aclose(self) -> None:
        """Close the response."""
        await self._body.aclose()


def _begins_as_image(pieces: list[bytes]) -> bool:
    head = b""
    for piece in pieces:
        head += piece[: HEAD - len(head)]
        if len(head) == HEAD:
            break
    try:
        sniff(pybase64.b64decode(head[: len(head) // 4 * 4], validate=True))
    except (ImageError, ValueError):
        return False
    return True
