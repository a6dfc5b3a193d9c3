"""Answers that send a stored file piece by piece, as fast as its client reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from .. import storage
from ..contexts import leave_thread, working_context
from . import pacing

logger = logging.getLogger(__name__)
# Bytes that a server gets at once: most of them wait for the client above that.
PART = 2**16
# Bytes that an answer may hold. So most images need one look at the storage.
SMALL = 2**18


def answer_of(
    request: HttpRequest, file: storage.Reader, start: int, size: int
) -> HttpResponseBase:
    """Return an answer with a part of an open file, which it closes.

    A part of a small size is read now. A larger one is read when the client has taken
    what is before it: by a thread of the storage, which no client keeps waiting.

    Raises:
        Exception: The storage's own.
    """
    try:
        file.seek(start)
        first = file.read(size if size <= SMALL else storage.PIECE)
        if len(first) == size:
            file.close()
            return HttpResponse(first)
        is_async = hasattr(request, "scope")
        pieces = (AsyncPieces if is_async else Pieces)(file, first, size)
        return StreamingHttpResponse(pieces)
    except BaseException:
        file.close()
        raise


class Cut(OSError):
    """A file ends before its size, or its storage fails while it is sent."""


class _Pieces:
    def __init__(self, file: storage.Reader, first: bytes, size: int) -> None:
        self._file, self._first, self._left = file, first, size
        self._context = working_context()

    def close(self) -> None:
        """Let go of the file; Django does, when the answer has been sent."""
        self._file.close()

    def _next(self) -> bytes:
        """Return the next piece; it blocks on the storage.

        Raises:
            Cut: If there is none although there should be.
        """
        piece, self._first = self._first, b""
        if not piece:
            try:
                piece = self._file.read(min(self._left, storage.PIECE))
            except Exception as error:
                raise Cut("The storage fails in the middle of a file.") from error
            if not piece:
                raise Cut(f"A file ends {self._left} bytes before its size.")
        self._left -= len(piece)
        return piece


class Pieces(_Pieces):
    """For a server that speaks WSGI, which has a thread for each request."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self._left:
                yield self._next()
        finally:
            self.close()


class AsyncPieces(_Pieces):
    """For a server that speaks ASGI."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pace = pacing.of_this_task()
        try:
            await leave_thread()
            while self._left:
                await pace.wait()
                for part in _parts(await self._piece()):
                    await pace.wait()
                    yield part
        except Cut as error:
            logger.warning("An answer is cut: %s", error, exc_info=True)
            # The client knows the size, and waits for the rest until it is cut off.
            if not pace.cut():
                raise
        finally:
            pace.end()
            self.close()

    async def _piece(self) -> bytes:
        if self._first:
            return self._next()
        read = storage.begin_for(self._context, "serving", self._next)
        return await asyncio.wrap_future(read)


def _parts(piece: bytes) -> Iterator[bytes]:
    for start in range(0, len(piece), PART):
        yield piece[start : start + PART]
