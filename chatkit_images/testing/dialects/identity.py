"""Dialects of ids: what calls, messages and responses are known by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from ..script import JSON
from .dialect import Dialect, Turn, each, every, is_image, items_of

#: The API's own rows have room for so many characters, and so have this app's.
LONG = "ig_" + "long" * 80


def renamed(name: Callable[[JSON, str], Any]) -> Callable[[JSON], None]:
    """Return a change of the ids of image calls.

    Args:
        name: Called with the event and the id in it; returns the new id, or None for
            none at all.
    """

    def put(target: JSON, key: str, event: JSON) -> None:
        value = name(event, target.pop(key))
        if value is not None:
            target[key] = value

    def change(event: JSON) -> None:
        if is_image(event) and "item_id" in event:
            put(event, "item_id", event)
        for item in items_of(event):
            put(item, "id", event)

    return change


def numbered(form: Callable[[int], Any]) -> Callable[[], Turn]:
    """Return a turn that counts the image calls of an answer."""

    def begin() -> Turn:
        seen: dict[str, int] = {}
        change = renamed(lambda event, key: form(seen.setdefault(key, len(seen))))

        def turn(event: JSON) -> list[JSON]:
            change(event)
            return [event]

        return turn

    return begin


def _changing_messages(event: JSON) -> None:
    ends = event["type"] in ("response.output_item.done", "response.completed")
    for item in items_of(event, "message") if ends else ():
        item["id"] = f"msg_{uuid4().hex}"


def _response_id(change: Callable[[JSON], None]) -> Callable[[JSON], None]:
    def turn(event: JSON) -> None:
        if "response" in event:
            change(event["response"])

    return turn


def _everything_numbered() -> Turn:
    turn = numbered(lambda place: f"ig_{place}")()
    change = _response_id(lambda response: response.update(id="resp_0"))

    def both(event: JSON) -> Iterable[JSON]:
        change(event)
        return turn(event)

    return both


def _no_index(event: JSON) -> None:
    event.pop("output_index", None)


def _one_index(event: JSON) -> None:
    if "output_index" in event:
        event["output_index"] = 0


def _no_number(event: JSON) -> None:
    event.pop("sequence_number", None)


IDENTITY = [
    Dialect(
        "ids-missing",
        "Image calls have no id in any event.",
        every(renamed(lambda event, key: None)),
    ),
    Dialect(
        "ids-empty",
        "The id of every image call is an empty text.",
        every(renamed(lambda event, key: "")),
    ),
    Dialect(
        "ids-change",
        "Each event of an image call names another id (gateways that make ids up).",
        every(renamed(lambda event, key: f"ig_{uuid4().hex}")),
    ),
    Dialect(
        "ids-numbered",
        "Image calls are `ig_0`, `ig_1` and so on, again in each response.",
        each(numbered(lambda place: f"ig_{place}")),
    ),
    Dialect(
        "ids-integers",
        "Ids of image calls are numbers from 0 instead of texts.",
        each(numbered(lambda place: place)),
    ),
    Dialect(
        "ids-repeated",
        "All image calls of all responses have one id.",
        every(renamed(lambda event, key: "image_generation")),
    ),
    Dialect(
        "ids-long",
        "Ids of image calls begin with the same 323 characters.",
        each(numbered(lambda place: f"{LONG}{place}")),
    ),
    Dialect(
        "ids-odd",
        "Ids of image calls have slashes, quotes, a line end and a NUL in them.",
        each(numbered(lambda place: f"../ig\"'\n\0<{place}>\ud83d")),
    ),
    Dialect(
        "message-ids-change",
        "A message ends under another id than it began with (LiteLLM).",
        every(_changing_messages),
    ),
    Dialect(
        "response-ids-missing",
        "Responses have no id.",
        every(_response_id(lambda response: response.pop("id", None))),
    ),
    Dialect(
        "response-ids-repeated",
        "All responses have one id, and their calls are numbered from 0.",
        each(_everything_numbered),
    ),
    Dialect(
        "no-output-index",
        "No event has an `output_index`.",
        every(_no_index),
    ),
    Dialect(
        "one-output-index",
        "The `output_index` of every event is 0.",
        every(_one_index),
    ),
    Dialect(
        "no-sequence-numbers",
        "No event has a `sequence_number`.",
        every(_no_number),
    ),
]
