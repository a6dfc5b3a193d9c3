"""Answers of many pieces, each of which is made when the client has taken the last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from threading import Lock

from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from .. import storage
from ..contexts import carried, leave_thread, working_context
from ..transactions import own_connection
from . import pacing
from .files import NO_STORE

logger = logging.getLogger(__name__)


def zip_response(
    request: HttpRequest, pieces: Iterator[bytes], filename: str
) -> StreamingHttpResponse:
    """Return an answer with a zip, for a download.

    If making it fails, the connection is cut, so that no client takes it for whole.

    Args:
        request: The request.
        pieces: The zip. It is made for whom this code works.
        filename: What a browser calls it.
    """
    is_async = hasattr(request, "scope")
    produced = (AsyncProduced if is_async else Produced)(pieces)
    response = StreamingHttpResponse(produced, content_type="application/zip")
    response["Content-Disposition"] = content_disposition_header(True, filename)
    response["Cache-Control"] = NO_STORE
    response["X-Content-Type-Options"] = "nosniff"
    # GZipMiddleware would compress what is compressed.
    response["Content-Encoding"] = "identity"
    return response


class _Produced:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._lock = pieces, Lock()
        self._context = working_context()
        self._is_closed = False

    def _next(self) -> bytes:
        """Return the next piece, nothing at the end; it blocks."""
        # The connection of a thread in which no request ends is closed after each.
        with self._lock, own_connection():
            return b"" if self._is_closed else next(self._pieces, b"")

    def _let_go(self) -> None:
        with self._lock:
            self._is_closed = True
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()


class Produced(_Produced):
    """For a server that speaks WSGI, which has a thread for each request."""

    def __iter__(self) -> Iterator[bytes]:
        step = carried(self._next, self._context)
        while piece := step():
            yield piece

    def close(self) -> None:
        """Let go of what the pieces need; Django does, when the answer was sent."""
        self._let_go()


class AsyncProduced(_Produced):
    """For a server that speaks ASGI."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pace = pacing.of_this_task()
        try:
            await leave_thread()
            await pace.wait()
            while piece := await self._piece():
                yield piece
                await pace.wait()
        except Exception as error:
            logger.warning("A zip is cut: %s", error, exc_info=True)
            if not pace.cut():
                raise
        finally:
            pace.end()

    async def _piece(self) -> bytes:
        made = storage.begin_for(self._context, "zips", self._next)
        return await asyncio.wrap_future(made)

    def close(self) -> None:
        """Let go of what the pieces need, when no thread works at one."""
        storage.begin_quietly("zips", self._let_go)
