"""What a client has already, and which part of a file it wants: RFC 9110, 13 and 14."""

from __future__ import annotations

import re
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_http_date_safe

ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
# Digits of a number of bytes. No file has more.
DIGITS = 18


class Unsatisfiable(Exception):
    """A range has no byte of the file."""


def answered(
    request: HttpRequest, etag: str, modified: datetime, headers: dict[str, str]
) -> HttpResponse | None:
    """Return the answer to a client that has the file already, or wants another one.

    Args:
        request: A GET or a HEAD.
        etag: The file's, with its quotes.
        modified: When it became what it is.
        headers: Those of the answer with the file, of which a 304 repeats some.

    Returns:
        A 304, a 412, or ``None`` if the file is to be sent.
    """
    whole = HttpResponse(headers=headers)
    seconds = int(modified.timestamp())
    told = get_conditional_response(request, etag, seconds, whole)
    return None if told is whole else told


def part_of(
    request: HttpRequest, etag: str, modified: datetime, size: int
) -> tuple[int, int] | None:
    """Return the first byte that a client wants, and the one after the last.

    ``None`` if it wants the whole file, or if its wish makes no sense, has several
    ranges, or was for the file as it was before.

    Raises:
        Unsatisfiable: If there is no such part.
    """
    match = ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.method != "GET":
        return None
    first, last = match.groups()
    if not (first or last) or max(len(first), len(last)) > DIGITS:
        return None
    if not _still_holds(request.headers.get("If-Range"), etag, modified):
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None  # It is no range.
    if start >= size:
        raise Unsatisfiable
    return start, stop


def _still_holds(said: str | None, etag: str, modified: datetime) -> bool:
    """Whether a part belongs to what a client has; only strong validators say so."""
    if said is None or said == etag:
        return True
    if said.startswith(('"', "W/")):
        return False
    return parse_http_date_safe(said) == int(modified.timestamp())


def last_modified(modified: datetime) -> str:
    """Return a time as a header has it."""
    return http_date(modified.timestamp())
