"""Answers that carry the bytes of a stored file."""

from __future__ import annotations

import logging

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from .. import imaging, storage
from ..cleaning import clean_name
from . import errors

logger = logging.getLogger(__name__)
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


def file_response(
    name: str, mime: str, *, filename: str, inline: bool = True, max_age: int = 0
) -> HttpResponse:
    """Return the bytes of a stored file. Blocks on the storage.

    The response is a 410 if they are gone, a 503 if the storage does not answer.

    Args:
        name: The file's name in the storage.
        mime: Its type, as read from its bytes when it was stored.
        filename: What a browser calls a download.
        inline: Whether the browser may open it by itself. Only raster images are; an
            SVG is shown in a page, and is a download when somebody opens it.
        max_age: Seconds that the person's own browser may keep it.
    """
    if not storage.is_named(name):
        return gone()
    try:
        response = HttpResponse(storage.read(name))
    except FileNotFoundError:
        return gone()
    except Exception:
        # Whatever the storage raises, it may have the file at the next request.
        logger.warning("%s cannot be read", name, exc_info=True)
        response = _trouble(503, "This file cannot be read now.")
        response["Retry-After"] = errors.spread(5)
        return response
    shown = mime in imaging.SHOWN
    response["Content-Type"] = mime if shown else "application/octet-stream"
    inline = inline and mime in imaging.INLINE
    disposition = content_disposition_header(not inline, clean_name(filename))
    if disposition:
        response["Content-Disposition"] = disposition
    response["Cache-Control"] = f"private, max-age={max_age}" if max_age else "no-store"
    return _safe(response)


def gone() -> HttpResponse:
    """Return the answer for a file that is gone."""
    return _trouble(410, "This file is gone.")


def _trouble(status: int, text: str) -> HttpResponse:
    response = HttpResponse(f"{text}\n", status=status, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    return _safe(response)


def _safe(response: HttpResponse) -> HttpResponse:
    for header, value in SAFE_HEADERS.items():
        response[header] = value
    return response
