"""Dialects of refusing: requests that are answered 4xx for an image in their input."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from ..script import JSON, HTTPError
from .dialect import Dialect, Refuse

How: TypeAlias = Literal["param", "message", "bare", "too-large"]
Test: TypeAlias = Callable[[str, bytes], bool]


def images_of(body: JSON) -> Iterator[tuple[str, str, bytes]]:
    """Yield the images of an input: the place in it, the type and the bytes."""
    given = body.get("input")
    for row, item in enumerate(given if isinstance(given, list) else []):
        for key in ("content", "output"):
            parts = item.get(key) if isinstance(item, dict) else None
            for column, part in enumerate(parts if isinstance(parts, list) else []):
                url = part.get("image_url") or part.get("file_data") or ""
                head, _, data = url.partition(",")
                if head.startswith("data:"):
                    place = f"input[{row}].{key}[{column}]"
                    yield place, head[5:].partition(";")[0], _bytes(data)


def refusing(test: Test, how: How = "param") -> Dialect:
    """Return a dialect that refuses requests for images in their input.

    Args:
        test: Called with type and bytes of each image; whether it is refused.
        how: What the error says: ``"param"`` names the image's place in the request,
            ``"message"`` says in words which one it is, ``"bare"`` says nothing,
            ``"too-large"`` is status 413.
    """
    about = {
        "param": "an error that names its place",
        "message": "an error that names its place in words",
        "bare": "an error that does not say which one",
        "too-large": "status 413",
    }[how]
    return Dialect(
        name=f"refuses-images-{how}",
        about=f"A request with an image that it does not take gets {about}.",
        refuse=_refuse(test, how),
    )


def _refuse(test: Test, how: How) -> Refuse:
    def refuse(body: JSON) -> HTTPError | None:
        for place, kind, data in images_of(body):
            if test(kind, data):
                return _error(place, how)
        return None

    return refuse


def _error(place: str, how: How) -> HTTPError:
    if how == "too-large":
        return HTTPError(413, None, "Request Entity Too Large", body="<h1>413</h1>")
    if how == "bare":
        return HTTPError(400, None, "Bad Request", body={"detail": "Bad Request"})
    words = "The image data you provided does not represent a valid image."
    if how == "message":
        message = f"Invalid '{place}': {words}"
        return HTTPError(400, "invalid_value", message)
    return HTTPError(400, "invalid_image_format", words, param=place)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


HOW: tuple[How, ...] = ("param", "message", "bare", "too-large")
REFUSALS = [refusing(lambda kind, data: True, how) for how in HOW]
