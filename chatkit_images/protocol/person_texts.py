"""What a person writes, before it goes into items, events and the model's input."""

from __future__ import annotations

from typing import TypeVar

from chatkit import types
from pydantic import BaseModel

from ..cleaning import map_strings
from ..queries import data_urls

M = TypeVar("M", bound=BaseModel)
WRITTEN = (
    types.ThreadsCreateReq,
    types.ThreadsAddUserMessageReq,
    types.ThreadsAddStructuredInputReq,
)


def cut(request: types.StreamingReq) -> None:
    """Cut the bytes out of a request's texts, so that all see what is stored.

    The payload of an action is the project's: nothing stores it.
    """
    if isinstance(request, types.ThreadsAddClientToolOutputReq):
        request.params.result = data_urls.Cutter().cut_all(request.params.result)
    elif isinstance(request, WRITTEN):
        request.params.input = _cut(request.params.input)


def _cut(written: M) -> M:
    said = written.model_dump()
    changed = map_strings(said, data_urls.Cutter().cut)
    return written if changed == said else type(written).model_validate(changed)
