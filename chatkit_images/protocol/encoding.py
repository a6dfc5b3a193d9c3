"""ChatKit's objects as JSON, with times that a browser reads correctly."""

from __future__ import annotations

import datetime
from typing import Any

import pydantic_core
from chatkit import types
from pydantic import BaseModel


def dump(value: BaseModel) -> bytes:
    """Return the JSON of an object of ChatKit's, its times with their offset.

    ChatKit stamps naive local time, which a browser in another time zone would misread.
    """
    if isinstance(value, types.ThreadItemUpdatedEvent):
        # Most events of a stream are of this class. It has no times.
        return value.model_dump_json(
            by_alias=True, exclude_none=True, context={"exclude_metadata": True}
        ).encode()
    data = value.model_dump(
        by_alias=True, exclude_none=True, context={"exclude_metadata": True}
    )
    return pydantic_core.to_json(_with_offsets(data))


def _with_offsets(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone() if value.tzinfo is None else value
    if isinstance(value, dict):
        return {key: _with_offsets(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_offsets(inner) for inner in value]
    return value
