"""Requests to the model, held against the types of OpenAI's own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

from chatkit_images.testing import JSON


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseCreateParamsStreaming)


def wrong(body: JSON) -> str:
    """Return what is wrong with the body of a request, else nothing."""
    try:
        _walk(_adapter().validate_python(body))
    except ValidationError as error:
        return str(error)[:300]
    return ""


def _walk(value: Any) -> None:
    """Look at all of a value: what is declared as iterable is checked on the way."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple | Iterator):
        return
    for part in value:
        _walk(part)
