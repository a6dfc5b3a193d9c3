"""Answers that carry the bytes of a stored file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from .. import imaging, storage
from ..cleaning import clean_name
from . import conditions, errors, offloading, sending
from .keeping import Keeping

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
NO_STORE = "no-store"
# It tells nginx for how many seconds to keep an answer, whatever else that says.
PROXY_KEEPS = "X-Accel-Expires"
# An SVG that is opened by itself, or an HTML file that got in, could run nothing and
# load nothing.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}
# ChatKit.js shows images in a frame of another site and may fetch them.
CROSS_ORIGIN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@dataclass(frozen=True)
class ServedFile:
    """A stored file that a request is for, as the rows say.

    Attributes:
        name: Its name in the storage. It never gets other bytes.
        alias: The alias in ``STORAGES`` of the storage that has it.
        mime: Its type, as read from its bytes when it was stored.
        modified: When it became what its URL shows.
        size: How many bytes it has, if its row says so.
        sha256: The digest of its bytes, if its row says so.
        is_stand_in: Whether another file will be in its place in a moment, so that no
            browser may keep it.
    """

    name: str
    alias: str
    mime: str
    modified: datetime
    size: int | None = None
    sha256: str = ""
    is_stand_in: bool = False

    @property
    def etag(self) -> str:
        """What its bytes are called by caches: a strong validator, with its quotes.

        Names are random and are never given twice.
        """
        return f'"{self.sha256 or storage.key_of(self.name)}"'


def file_response(
    request: HttpRequest,
    file: ServedFile,
    *,
    filename: str,
    keeping: Keeping,
    inline: bool = True,
) -> HttpResponseBase:
    """Return the answer to a GET or HEAD of a stored file. Blocks on the storage.

    It is a 304 if the client has the file, a 206 with the one range that it asks for, a
    416 if there is no such range, a 410 if the file is gone, and a 503 if the storage
    does not answer. Whoever calls this has found out that the client may have the file.

    Args:
        request: The request.
        file: The file.
        filename: What a browser calls a download.
        keeping: For how long a browser may keep it.
        inline: Whether the browser may open it by itself. Only raster images are; an
            SVG is shown in a page, and is a download when somebody opens it.
    """
    if not storage.is_named(file.name):
        return gone()
    headers = _headers(file, filename, keeping, inline)
    told = conditions.answered(request, file.etag, file.modified, headers)
    if told is not None:
        if told.status_code != 304:
            told["Cache-Control"] = NO_STORE
        return _safe(told)
    try:
        return _safe(_found(request, file, headers))
    except FileNotFoundError:
        return gone()
    except Exception:
        # Whatever the storage raises, it may have the file at the next request.
        logger.warning("%s cannot be read", file.name, exc_info=True)
        response = _trouble(503, "This file cannot be read now.")
        response["Retry-After"] = errors.spread(5)
        return response


def gone() -> HttpResponse:
    """Return the answer for a file that is gone."""
    return _trouble(410, "This file is gone.")


def _headers(
    file: ServedFile, filename: str, keeping: Keeping, inline: bool
) -> dict[str, str]:
    shown = file.mime in imaging.SHOWN
    inline = inline and file.mime in imaging.INLINE
    kept = NO_STORE if file.is_stand_in else str(keeping)
    headers = {}
    if keeping.in_proxy and kept != NO_STORE:
        # The first header wins.
        headers[PROXY_KEEPS] = str(keeping.in_proxy)
    headers |= {
        "Content-Type": file.mime if shown else "application/octet-stream",
        "Cache-Control": kept,
        "ETag": file.etag,
        "Last-Modified": conditions.last_modified(file.modified),
        "Accept-Ranges": "bytes",
        # GZipMiddleware would make a stream of it whose size nobody knows, and compress
        # parts of a file, too.
        "Content-Encoding": "identity",
    }
    disposition = content_disposition_header(not inline, clean_name(filename))
    return headers | ({"Content-Disposition": disposition} if disposition else {})


def _found(
    request: HttpRequest, file: ServedFile, headers: dict[str, str]
) -> HttpResponseBase:
    """Return the answer with a file, by whoever sends it."""
    if request.method == "HEAD":
        return _blocking(file, _head, file, headers)
    # nginx keeps no answer that it has to make itself.
    if PROXY_KEEPS not in headers:
        what = (file.name, file.alias, file.mime, file.size)
        if (told := offloading.answer_of(request, *what, headers)) is not None:
            return told
    return _blocking(file, _sent, request, file, headers)


def _blocking(
    file: ServedFile,
    func: Callable[P, HttpResponseBase],
    *args: P.args,
    **kwargs: P.kwargs,
) -> HttpResponseBase:
    """Return what a function returns that may ask the storage for a file."""
    if not storage.is_elsewhere(file.name, file.alias):
        return func(*args, **kwargs)
    # A thread that stays has a client of the storage's service already.
    return storage.begin("serving", func, *args, **kwargs).result()


def _head(file: ServedFile, headers: dict[str, str]) -> HttpResponseBase:
    """Return what a GET of a whole file would have before the file.

    Where the size is not to be had without reading the file, it is that of the row.
    """
    size = storage.stored_size(file.name, file.alias)
    if size is None:
        size = file.size
    if size is None:
        reader = storage.open_reader(file.name, file.alias)
        reader.close()
        size = reader.size
    response = HttpResponse(headers=_agreeing(file, size, headers))
    response["Content-Length"] = str(size)
    return response


def _agreeing(file: ServedFile, size: int, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of the answer with a file that has so many bytes."""
    if file.size in (None, size):
        return headers
    # Whatever these bytes are, they are not what the row says.
    logger.warning("%s has %s bytes, not %s", file.name, size, file.size)
    dropped = ("ETag", "Last-Modified", PROXY_KEEPS)
    kept = {name: headers[name] for name in headers if name not in dropped}
    return kept | {"Cache-Control": NO_STORE}


def _sent(
    request: HttpRequest, file: ServedFile, headers: dict[str, str]
) -> HttpResponseBase:
    reader = storage.open_reader(file.name, file.alias)
    size = reader.size
    headers = _agreeing(file, size, headers)
    try:
        part = conditions.part_of(request, file.etag, file.modified, size)
    except conditions.Unsatisfiable:
        reader.close()
        refusal = _trouble(416, "There is no such part of this file.")
        refusal["Content-Range"] = f"bytes */{size}"
        return refusal
    start, stop = part or (0, size)
    response = sending.answer_of(request, reader, start, stop - start)
    for header, value in headers.items():
        response[header] = value
    response["Content-Length"] = str(stop - start)
    if part:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return response


def _trouble(status: int, text: str) -> HttpResponse:
    response = HttpResponse(f"{text}\n", status=status, content_type="text/plain")
    response["Cache-Control"] = NO_STORE
    return _safe(response)


def _safe(response: R) -> R:
    for header, value in SAFE_HEADERS.items():
        response[header] = value
    return response
