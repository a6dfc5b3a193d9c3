"""The format of an export: files of the archive, and the fields of its lines.

``docs/export-and-import.md`` explains each. A field that is added has a default for
lines that lack it, and ``VERSION`` stays; whatever else changes makes another version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models as db

from .. import models
from .values import FLAG, JSON, KEY, TIME, Value, name, of_column, text

FORMAT, VERSION = "chatkit-images-export", 1
LINES, IMAGES, ERRORS = "conversations.jsonl", "images.jsonl", "errors.jsonl"
MANIFEST, README, INDEX = "manifest.json", "README.txt", "index.html"
# Where files are. Only such names are read from an archive.
PATH = re.compile(r"(?:images|attachments)/[\w(][\w.() -]{0,250}")
# IPTC's vocabulary of digital source types.
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/"
    "compositeWithTrainedAlgorithmicMedia"
)


@dataclass(frozen=True)
class Field:
    """A field of a kind of line.

    Attributes:
        name: Its name, which is that of its column, if it has one.
        value: Which values it takes.
        column: Whether it is a column as it is.
        internal: Whether it is there only in an export with all that is internal.
        needed: Whether each line has it.
    """

    name: str
    value: Value
    column: bool = True
    internal: bool = False
    needed: bool = False


def _columns(model: type[db.Model], names: str, *, internal: bool = False) -> Any:
    return [
        Field(each, of_column(model._meta.get_field(each)), internal=internal)
        for each in names.split()
    ]


def _own(name: str, value: Value, *, needed: bool = False) -> Field:
    return Field(name, value, column=False, needed=needed)


def _take_sources(value: Any) -> list[tuple[str, Any, str | None]]:
    """Return role, image and attachment of each thing that an image was made from."""
    if not isinstance(value, list) or len(value) > 1000:
        raise ValueError("is no list of up to 1000 sources")
    return [_take_source(each) for each in value]


def _take_source(value: Any) -> tuple[str, Any, str | None]:
    if not isinstance(value, dict) or set(value) != {"role", "image", "attachment"}:
        raise ValueError("has a source without role, image and attachment")
    if value["image"] is not None and value["attachment"] is not None:
        raise ValueError("has a source that is an image and an attachment")
    role = of_column(models.ImageSource._meta.get_field("role"))
    return (
        role.take(value["role"]),
        KEY.or_null().take(value["image"]),
        ID.or_null().take(value["attachment"]),
    )


def _take_path(value: Any) -> str:
    if not isinstance(value, str) or not PATH.fullmatch(value):
        raise ValueError("is no path of a file of an export")
    return value


ID, ITEM_ID, OWNER = name(64), name(255), name(255)
FILE = Value("path", _take_path).or_null()
SOURCES = Value("list", _take_sources)
THREAD = _own("thread", ID, needed=True)
OF_REQUEST = "request_id requested_at first_event_at timings failure"

KINDS: Mapping[str, list[Field]] = {
    "export": [
        _own("format", text(100), needed=True),
        _own("version", Value("number", lambda value: value), needed=True),
        _own("created_at", TIME, needed=True),
        _own("owner", OWNER, needed=True),
        _own("internal", FLAG),
    ],
    "thread": [
        _own("id", ID, needed=True),
        *_columns(
            models.Thread,
            "title status status_reason allowed_image_domains created_at updated_at",
        ),
        *_columns(models.Thread, "metadata", internal=True),
    ],
    "run": [
        _own("id", KEY, needed=True),
        THREAD,
        *_columns(
            models.Run,
            "operation status reason error_code provider model requested_model"
            " requested_tool usage created_at finished_at",
        ),
        *_columns(
            models.Run,
            f"error response_id safety_identifier tool_usage {OF_REQUEST}",
            internal=True,
        ),
    ],
    "attachment": [
        _own("id", ID, needed=True),
        _own("thread", ID.or_null(), needed=True),
        _own("path", FILE, needed=True),
        *_columns(
            models.Attachment,
            "kind name mime_type bytes width height sha256 metadata"
            " foreign_preview_url created_at",
        ),
    ],
    "item": [
        _own("id", ITEM_ID, needed=True),
        THREAD,
        Field("type", text(64), needed=True),
        Field("payload", JSON, needed=True),
        Field("created_at", TIME, needed=True),
    ],
    "image": [
        _own("id", KEY, needed=True),
        THREAD,
        _own("item", ITEM_ID.or_null(), needed=True),
        _own("run", KEY.or_null(), needed=True),
        _own("path", FILE, needed=True),
        _own("sources", SOURCES),
        *_columns(
            models.GeneratedImage,
            "call_id identity source status reason error_code mime width height bytes"
            " sha256 prompt revised_prompt model chat_model size quality background"
            " output_format provider usage cost visibility hidden_words superseded_at"
            " created_at finished_at",
        ),
        *_columns(
            models.GeneratedImage,
            "error_message moderation details svg_usage response_id partial_count"
            f" first_partial_ms final_ms arrived_at stored_at {OF_REQUEST}",
            internal=True,
        ),
    ],
    "feedback": [
        THREAD,
        _own("item", ITEM_ID, needed=True),
        _own("person", OWNER, needed=True),
        *_columns(models.Feedback, "kind reason created_at updated_at"),
    ],
}


class LineRefused(ValueError):
    """A line is not what the format says."""


def columns_of(kind: str, row: db.Model, *, internal: bool) -> dict[str, Any]:
    """Return the fields of a line that are columns of its row, as JSON."""
    return {
        field.name: field.value.give(getattr(row, field.name))
        for field in KINDS[kind]
        if field.column and (internal or not field.internal)
    }


def name_of(line: Any) -> str:
    """Return what a line is called: its kind and its id, as far as it has them."""
    if not isinstance(line, dict) or str(line.get("line")) not in KINDS:
        return "line"
    return f"{line['line']} {line.get('id') or line.get('item') or ''}"


def take(line: Any) -> tuple[str, dict[str, Any]]:
    """Return the kind of a line, and its fields as columns take them.

    Fields that the line lacks are left out, so that columns have their defaults.

    Raises:
        LineRefused: If it is not a line of this format.
    """
    if not isinstance(line, dict):
        raise LineRefused("The line is no object.")
    kind = line.get("line")
    if not isinstance(kind, str) or kind not in KINDS:
        raise LineRefused(f"There is no such line: {str(kind)[:40]!r}.")
    taken = {}
    for field in KINDS[kind]:
        if field.name not in line:
            if field.needed:
                raise LineRefused(f"The {kind} lacks {field.name!r}.")
            continue
        try:
            taken[field.name] = field.value.take(line[field.name])
        except ValueError as error:
            raise LineRefused(f"{field.name!r} of the {kind} {error}.") from None
    if unknown := set(line) - {"line", *(field.name for field in KINDS[kind])}:
        raise LineRefused(f"The {kind} has an unknown field: {min(unknown)[:40]!r}.")
    return kind, taken
