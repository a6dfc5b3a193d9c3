"""Answers that have nginx, or the storage itself, send a file."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse

from .. import imaging, storage
from ..conf import settings

# The value of ``OFFLOAD`` that is no location of nginx.
REDIRECT = "redirect"
# It tells nginx where the file is, and never leaves nginx.
HEADER = "X-Accel-Redirect"
# nginx keeps a Cache-Control for its own 403 and a 503 of S3, too. Its lines add this
# one to files alone.
CACHE = "X-Chatkit-Cache-Control"


def answer_of(
    request: HttpRequest,
    name: str,
    alias: str,
    mime: str,
    size: int | None,
    headers: dict[str, str],
) -> HttpResponse | None:
    """Return an answer without the file; ``None`` if the app has to send it.

    Args:
        request: A GET; to a HEAD the app answers itself.
        name: The name of the file.
        alias: The storage that has it.
        mime: Its type.
        size: How many bytes it has, if its row says so.
        headers: Those of the answer with the file.

    Raises:
        FileNotFoundError: If it is not where nginx would look for it.
        Exception: The storage's own.
    """
    sender = settings.OFFLOAD.get(alias)
    if sender is None or settings.FILE_CIPHER is not None or storage.spool.has(name):
        return None
    if sender == REDIRECT:
        return _redirected(name, alias, mime, headers)
    path = storage.path_on_disk(name, alias)
    if path is not None:
        # nginx would say nothing of what the row does not agree with.
        if size not in (None, os.stat(path).st_size):
            return None
        return _handed_over(f"{sender}{name}", headers)
    if not storage.is_object(alias) or "If-Range" in request.headers:
        # S3 has an ETag of its own.
        return None
    if not storage.presigned_urls.suffices(name, alias):
        return None
    parts = urlsplit(storage.url(name, alias))
    query = f"?{parts.query}" if parts.query else ""
    return _handed_over(f"{sender.rstrip('/')}{parts.path}{query}", headers)


def _handed_over(place: str, headers: dict[str, str]) -> HttpResponse:
    response = HttpResponse(headers=headers)
    response[CACHE] = headers["Cache-Control"]
    # Without this, Django's cache for a whole site would keep the answer.
    response["Cache-Control"] = "private"
    response[HEADER] = place
    return response


def _redirected(
    name: str, alias: str, mime: str, headers: dict[str, str]
) -> HttpResponse | None:
    disposition = headers.get("Content-Disposition", "inline")
    # Whoever opens another file at the storage itself would not get a download.
    if mime not in imaging.INLINE or not disposition.startswith("inline"):
        return None
    if storage.path_on_disk(name, alias) is not None:
        return None
    if not storage.presigned_urls.suffices(name, alias):
        return None
    response = HttpResponse(status=302)
    response["Location"] = storage.url(name, alias)
    # The next one may be to another URL.
    response["Cache-Control"] = "no-store"
    return response
