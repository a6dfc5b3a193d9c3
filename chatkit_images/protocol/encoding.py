"""ChatKit's objects as JSON, with times and texts that a browser reads correctly."""

from __future__ import annotations

import datetime
from typing import Any

import pydantic_core
from chatkit import types
from pydantic import BaseModel

from ..cleaning import clean_json

NUL = b"\\u0000"


def dump(value: BaseModel) -> bytes:
    """Return the JSON of an object of ChatKit's, its times with their offset.

    ChatKit stamps naive local time, which a browser in another time zone would misread.
    Texts are clean, as they are in the database.

    Raises:
        ValueError: If it has something that JSON has not.
    """
    try:
        data = _dump(value)
    except ValueError:
        # UTF-8 has no halves of characters, and hardly any object has one.
        return pydantic_core.to_json(clean_json(_data(value)))
    return pydantic_core.to_json(clean_json(_data(value))) if NUL in data else data


def _dump(value: BaseModel) -> bytes:
    if isinstance(value, types.ThreadItemUpdatedEvent):
        # Most events of a stream are of this class. It has no times.
        return value.model_dump_json(
            by_alias=True, exclude_none=True, context={"exclude_metadata": True}
        ).encode()
    return pydantic_core.to_json(_data(value))


def _data(value: BaseModel) -> Any:
    return _with_offsets(
        value.model_dump(
            by_alias=True, exclude_none=True, context={"exclude_metadata": True}
        )
    )


def _with_offsets(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone() if value.tzinfo is None else value
    if isinstance(value, dict):
        return {key: _with_offsets(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_offsets(inner) for inner in value]
    return value
