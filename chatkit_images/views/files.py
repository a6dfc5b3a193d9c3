"""Answers that carry the bytes of a stored file."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from .. import imaging, storage

# An SVG or an HTML file that got in would run nothing, load nothing.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}
# ChatKit.js shows pictures in a frame of another site and may fetch them.
CROSS_ORIGIN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def file_response(
    name: str, mime: str, *, filename: str, inline: bool = True, max_age: int = 0
) -> HttpResponse:
    """Return the bytes of a stored file; 410 if they are gone. Blocks on storage.

    Args:
        name: The file's name in the storage.
        mime: Its type, as read from its bytes when it was stored.
        filename: What a browser calls a download.
        inline: Whether the browser may show it in place. Only raster pictures are.
        max_age: Seconds that the person's own browser may keep it.
    """
    try:
        response = HttpResponse(storage.read(name))
    except (FileNotFoundError, ValueError):
        response = HttpResponse("This file is gone.\n", status=410)
        mime = "text/plain; charset=utf-8"
        max_age = 0
    safe = mime in imaging.INLINE
    response["Content-Type"] = (
        mime if safe or response.status_code == 410 else "application/octet-stream"
    )
    disposition = content_disposition_header(not (inline and safe), filename)
    if disposition and response.status_code == 200:
        response["Content-Disposition"] = disposition
    response["Cache-Control"] = f"private, max-age={max_age}" if max_age else "no-store"
    for header, value in SAFE_HEADERS.items():
        response[header] = value
    return response
