"""Events of a form that the SDKs cannot take: they cost themselves, not the answer.

The client of ``openai`` checks no value that a provider sends. ChatKit's function does,
and ends the answer with an error if one is missing or of another type.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

from agents import StreamEvent
from pydantic import BaseModel

logger = logging.getLogger(__name__)
ITEMS = ("response.output_item.added", "response.output_item.done")
RESPONSES = ("created", "in_progress", "completed", "failed", "incomplete")
# What an event cannot do without, by its type. The place of a text is found otherwise.
NEEDED: dict[str, tuple[str, type]] = {
    **dict.fromkeys(ITEMS, ("item", BaseModel)),
    **{f"response.{each}": ("response", BaseModel) for each in RESPONSES},
    "response.content_part.added": ("part", BaseModel),
    "response.output_text.delta": ("delta", str),
    "response.output_text.done": ("text", str),
    "response.reasoning_summary_text.delta": ("delta", str),
    "response.reasoning_summary_text.done": ("text", str),
}
# Those that ChatKit converts by the message and the part that they are about.
OF_A_PART = {
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_text.annotation.added",
}
PARTS = {"output_text", "refusal", "reasoning_text"}
# Where an image is within an object that is sent instead of its base64.
WRAPPERS = ("b64_json", "base64", "data", "result")


class Fitting:
    """Tells which events of a stream can be handed on, and completes some of them.

    The message of an event is the one at its place in the response, as for images.
    """

    def __init__(self) -> None:
        # The ids of the messages that have begun, by their place, and the last of all.
        self._messages: dict[int | None, str] = {}
        self._last = ""

    def take(self, event: StreamEvent) -> bool:
        """Return whether an event can be handed on. Each must come once, in order."""
        if event.type != "raw_response_event" or self._fits(event.data):
            return True
        logger.warning("An event of the model's is left out: it has no known form")
        return False

    def _fits(self, data: Any) -> bool:
        kind = data.type
        if kind is None and (getattr(data, "code", None) or getattr(data, "error", 0)):
            # Some gateways leave out that it is an error.
            data.type = kind = "error"
        if not isinstance(kind, str):
            return False
        if kind in NEEDED:
            name, form = NEEDED[kind]
            if not isinstance(getattr(data, name, None), form):
                return False
        if hasattr(data, "output_index"):
            data.output_index = _number(data.output_index)
        if kind in ITEMS:
            return fits_item(data.item) and self._named(data)
        if kind == "response.content_part.added" and data.part.type not in PARTS:
            return False
        if kind.startswith("response.image_generation_call."):
            data.item_id = _id(getattr(data, "item_id", None))
            if hasattr(data, "result"):
                data.result = _result(data.result)
        elif isinstance(response := getattr(data, "response", None), BaseModel):
            _complete(response)
        return kind not in OF_A_PART or self._placed(data)

    def _named(self, data: Any) -> bool:
        """Give a message an id, if it has none."""
        item, index = data.item, getattr(data, "output_index", None)
        if item.type == "message":
            begun = data.type == ITEMS[0]
            known = "" if begun else self._messages.get(index, "")
            item.id = _id(item.id) or known or f"msg_{uuid4().hex}"
            self._messages[index] = self._last = item.id
        return True

    def _placed(self, data: Any) -> bool:
        """Find the message and the part of an event that does not name them."""
        known = self._messages.get(getattr(data, "output_index", None), self._last)
        data.item_id = _id(getattr(data, "item_id", None)) or known
        data.content_index = _number(getattr(data, "content_index", None)) or 0
        return bool(data.item_id)


def fits_item(item: Any) -> bool:
    """Return whether an item of a response has a known form, and complete its image."""
    kind = getattr(item, "type", None)
    if kind == "image_generation_call":
        item.id, item.result = _id(item.id), _result(item.result)
    return isinstance(item, BaseModel) and isinstance(kind, str)


def _complete(response: Any) -> None:
    """Leave of the lists of a response what has a known form."""
    for name in ("output", "tools"):
        if (sent := getattr(response, name, None)) is not None:
            entries = sent if isinstance(sent, list) else []
            setattr(response, name, [each for each in entries if fits_item(each)])


def _id(value: Any) -> str:
    """Return an id; an empty one if it is no text and no number."""
    return str(value) if isinstance(value, str | int) else ""


def _number(value: Any) -> int | None:
    """Return an index, which may be written otherwise."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _result(value: Any) -> Any:
    """Return the base64 of an image, which a list or an object may have in it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = next((value[name] for name in WRAPPERS if value.get(name)), None)
    return value if isinstance(value, str) and not value.isspace() else None
