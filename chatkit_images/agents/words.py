"""Words of a model that JSON allows and UTF-8 does not."""

from __future__ import annotations

from typing import Any

from agents import StreamEvent
from pydantic import BaseModel

from ..cleaning import clean, clean_source, is_clean

# What names the text that a delta continues, besides its item.
INDEXES = ("content_index", "summary_index", "output_index")
# They repeat the request, which is the project's.
ECHOES = {"response.created", "response.in_progress", "response.queued"}


class Words:
    """Mends the words of a stream's events, in place.

    A gateway may cut an emoji in two between two deltas. Its halves are joined. A half
    that stays alone is replaced, because neither the answer nor the model's next
    request could be encoded.
    """

    def __init__(self) -> None:
        # First halves that wait for the next delta of their text.
        self._halves: dict[tuple[Any, ...], str] = {}

    def mend(self, event: StreamEvent) -> None:
        """Mend an event. Each event must come once, in order."""
        if event.type == "run_item_stream_event":
            # The Agents SDK sends what a tool returned to the model.
            _mend(event.item.raw_item)
        elif event.type == "raw_response_event" and event.data.type not in ECHOES:
            data: Any = event.data
            if isinstance(delta := getattr(data, "delta", None), str):
                if self._halves or not is_clean(delta):
                    data.delta = self._join(data, delta)
            else:
                _mend(data)

    def _join(self, data: Any, delta: str) -> str:
        key = (
            data.type,
            getattr(data, "item_id", None),
            *(getattr(data, name, None) for name in INDEXES),
        )
        text = self._halves.pop(key, "") + delta
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[key], text = text[-1], text[:-1]
        return clean(text)


def _mend(value: Any) -> Any:
    """Return a value with clean texts; models, dicts and lists are changed in place."""
    if isinstance(value, str):
        return value if is_clean(value) else clean(value)
    if isinstance(value, BaseModel):
        for fields in (value.__dict__, value.__pydantic_extra__ or {}):
            _mend(fields)
    elif isinstance(value, dict):
        for key, inner in list(value.items()):
            mended = _mend(inner)
            if key == "arguments" and isinstance(mended, str):
                # They are JSON within a string.
                mended = clean_source(mended)
            if isinstance(key, str) and not is_clean(key):
                del value[key]
                key = clean(key)
                value[key] = mended
            elif mended is not inner:
                value[key] = mended
    elif isinstance(value, list):
        value[:] = [_mend(inner) for inner in value]
    return value
