"""Bounds of what one request may bring, far above what people do.

They keep a small request from causing seconds of work, now and at each later reading.
A project's own limits are smaller; see ``LIMITS``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chatkit import types
from django.utils.translation import gettext as _
from pydantic import BaseModel

from ..exceptions import RequestRefused

# Parts of one message: runs of text, and the tags between them.
MAX_PARTS = 1000
# Bytes in UTF-8 of what one request adds to a thread. Models read less.
MAX_TEXT_BYTES = 2 * 2**20
# Values in all: of the data of tags, of answers, of outputs, of payloads, of metadata.
MAX_VALUES = 20_000
# How deep they are nested. MariaDB takes documents of 32, and rows put some around.
MAX_DEPTH = 20
# What begins a value in JSON, and a text, whatever signs are in it.
SIGNS = (b",", b"[", b"{")
TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# Bytes of a body that are looked at first: too many values are mostly seen there.
FIRST_BYTES = 2**18


def check_body(body: bytes) -> None:
    """Refuse a body of too many values before anything is made of them.

    A validator makes an object of each value, and several of each that is wrong, all of
    them on the event loop: ten megabytes would become gigabytes, and half a minute.

    Raises:
        RequestRefused: If it has more values than a request may have.
    """
    # Most bodies have so few of these signs that nothing needs to be told from texts.
    if sum(map(body.count, SIGNS)) <= MAX_VALUES:
        return
    for part in (body[:FIRST_BYTES], body):
        bare = TEXT.sub(b'"', part)
        # Between two texts stands a sign, except where it is no JSON.
        if (
            sum(map(bare.count, SIGNS)) > MAX_VALUES
            or bare.count(b'"') > 3 * MAX_VALUES
        ):
            raise _refused()


def check(request: types.ChatKitReq) -> None:
    """Refuse a request that is too large or too deep, before anything is written.

    Raises:
        RequestRefused: If it is.
    """
    found = _walk(request)
    if found.values > MAX_VALUES or found.is_deep:
        raise _refused()
    if isinstance(
        request,
        types.ThreadsCreateReq
        | types.ThreadsAddUserMessageReq
        | types.ThreadsAddStructuredInputReq,
    ):
        added: Any = request.params.input
    elif isinstance(request, types.ThreadsAddClientToolOutputReq):
        added = request.params.result
    elif isinstance(request, types.ThreadsUpdateReq):
        added = request.params.title
    else:
        return
    if len(getattr(added, "content", ())) > MAX_PARTS:
        raise _refused()
    if _walk(added).bytes > MAX_TEXT_BYTES:
        raise _refused()


@dataclass
class _Walk:
    values: int = 0
    bytes: int = 0
    is_deep: bool = False


def _walk(value: object) -> _Walk:
    """Count what a value holds. It stops where there are too many values."""
    walk, level = _Walk(), [value]
    # The levels of the request itself and of its parameters count, too.
    for _depth in range(MAX_DEPTH + 3):
        inner: list[object] = []
        for each in level:
            walk.values += 1
            if isinstance(each, str):
                walk.bytes += _bytes_of(each)
            elif isinstance(each, dict):
                inner += each.keys()
                inner += each.values()
            elif isinstance(each, list | tuple):
                inner += each
            elif isinstance(each, BaseModel):
                inner += vars(each).values()
            if walk.values > MAX_VALUES:
                return walk
        level = inner
        if not level:
            return walk
    walk.is_deep = True
    return walk


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _refused() -> RequestRefused:
    text = _("That is too much for one request.")
    return RequestRefused("too_many", text, status=400)
