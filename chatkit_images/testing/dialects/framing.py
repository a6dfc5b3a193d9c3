"""Dialects of framing: how events are written as lines."""

from __future__ import annotations

import json

from ..script import JSON
from .dialect import Dialect, plain_frame


def _escaped(event: JSON) -> str:
    return plain_frame(event).replace("/", "\\/")


def _marked(event: JSON) -> str:
    mark = "\ufeff" if event["type"] == "response.created" else ""
    return mark + plain_frame(event)


def _split(event: JSON) -> str:
    # The lines of one event's data are joined with line ends, which JSON allows.
    lines = json.dumps(event, indent=1).splitlines()
    return "\n".join(f"data: {line}" for line in lines) + "\n\n"


FRAMING = [
    Dialect(
        "line-ends-of-windows",
        "Lines end with CRLF.",
        frame=lambda event: plain_frame(event).replace("\n", "\r\n"),
    ),
    Dialect(
        "data-lines-alone",
        "There are no `event:` lines, and no space behind the colon.",
        frame=lambda event: f"data:{json.dumps(event)}\n\n",
    ),
    Dialect(
        "comments",
        "Comments and empty events stand between the events (keep-alive).",
        frame=lambda event: f": ping\n\n\n{plain_frame(event)}: ping\n\n",
    ),
    Dialect(
        "escaped-slashes",
        "Slashes are escaped in JSON, as PHP does.",
        frame=_escaped,
    ),
    Dialect(
        "byte-order-mark",
        "The stream begins with a byte order mark.",
        frame=_marked,
    ),
    Dialect(
        "data-in-many-lines",
        "The JSON of an event is indented, over many `data:` lines.",
        frame=_split,
    ),
]
