"""Dialects of order: events that are left out, repeated, or come where none would."""

from __future__ import annotations

from ..script import JSON, TERMINAL
from .dialect import (
    DONE_MARKER,
    Dialect,
    Events,
    Turn,
    each,
    every,
    is_done,
    items_of,
    without,
)


def _twice(event: JSON) -> list[JSON]:
    return [event, event]


def _again(event: JSON) -> list[JSON]:
    return [event, event] if is_done(event) else [event]


def _emptied(event: JSON, status: str) -> JSON:
    """Return the end of a call without its image."""
    return event | {"item": event["item"] | {"status": status, "result": None}}


def _bytes_at_the_end(event: JSON) -> list[JSON]:
    if is_done(event) and event["item"].get("result"):
        return [_emptied(event, "completed")]
    return [event]


def _bytes_in_the_second(event: JSON) -> list[JSON]:
    if is_done(event) and event["item"].get("result"):
        return [_emptied(event, "generating"), event]
    return [event]


def _status(status: str) -> Turn:
    def turn(event: JSON) -> list[JSON]:
        for item in items_of(event):
            if item.get("result"):
                item["status"] = status
        return [event]

    return turn


def _late_partials() -> Turn:
    last: dict[int, JSON] = {}

    def turn(event: JSON) -> list[JSON]:
        if event["type"].endswith(".partial_image"):
            last[event["output_index"]] = event
        if is_done(event) and event["output_index"] in last:
            return [event, last[event["output_index"]]]
        return [event]

    return turn


def _vague_partials() -> Turn:
    count = 0

    def turn(event: JSON) -> list[JSON]:
        nonlocal count
        if event["type"].endswith(".partial_image"):
            key = ("partial_image_b64", "item_id", "partial_image_index")[count % 3]
            count += 1
            return [event | {key: None}]
        return [event]

    return turn


async def _no_end(events: Events) -> Events:
    async for event in events:
        if event["type"] not in TERMINAL:
            yield event


async def _marker_for_end(events: Events) -> Events:
    async for event in _no_end(events):
        yield event
    yield DONE_MARKER


def _marker_after_image(event: JSON) -> list[JSON]:
    return [event, DONE_MARKER] if is_done(event) else [event]


def _empty_output(event: JSON) -> None:
    if event["type"] in TERMINAL and "response" in event:
        event["response"]["output"] = []


def _again_at_the_end(event: JSON) -> None:
    if event["type"] == "response.completed":
        calls = items_of(event)
        repeated = [call | {"id": f"{call.get('id')}_again"} for call in calls]
        event["response"]["output"] += repeated


def _renamed_at_the_end(event: JSON) -> None:
    if event["type"] == "response.completed":
        for place, item in enumerate(event["response"]["output"]):
            item["id"] = f"item_{place}"


ORDER = [
    Dialect(
        "no-created",
        "Answers begin without `response.created` and `response.in_progress`.",
        without("response.created", "response.in_progress"),
    ),
    Dialect(
        "no-added",
        "Image calls have an end, but no `output_item.added`.",
        each(
            lambda: (
                lambda event: (
                    []
                    if event["type"].endswith("item.added") and items_of(event)
                    else [event]
                )
            )
        ),
    ),
    Dialect(
        "no-done",
        "No item has an `output_item.done`; only the end of the response has them.",
        without("output_item.done"),
    ),
    Dialect(
        "no-steps",
        "Image calls have no events of their own between `added` and `done`.",
        each(
            lambda: (
                lambda event: (
                    [] if "image_generation_call" in event["type"] else [event]
                )
            )
        ),
    ),
    Dialect(
        "only-done-items",
        "Nothing but `output_item.done` and the end of the response.",
        each(
            lambda: (
                lambda event: (
                    [event]
                    if event["type"].endswith(("item.done", "response.completed"))
                    or event["type"] in TERMINAL
                    else []
                )
            )
        ),
    ),
    Dialect(
        "no-text-deltas",
        "The text of a message comes whole, with its end.",
        without("output_text.delta"),
    ),
    Dialect(
        "done-before-the-image",
        "A call is done without a result; the end of the response has the image.",
        each(lambda: _bytes_at_the_end),
    ),
    Dialect(
        "done-twice-the-second-has-the-image",
        "A call is done as `generating` without a result, then done with the image.",
        each(lambda: _bytes_in_the_second),
    ),
    Dialect(
        "done-twice",
        "Every image call is done twice, with the same image.",
        each(lambda: _again),
    ),
    Dialect(
        "image-while-generating",
        "Finished calls have the image and the status `generating`.",
        each(lambda: _status("generating")),
    ),
    Dialect(
        "image-while-failed",
        "Finished calls have the image and the status `failed`.",
        each(lambda: _status("failed")),
    ),
    Dialect(
        "late-previews",
        "A preview comes after the image.",
        each(_late_partials),
    ),
    Dialect(
        "vague-previews",
        "Previews are null, or name no call, or have no number.",
        each(_vague_partials),
    ),
    Dialect(
        "every-event-twice",
        "Each event comes twice (proxies that send again what they have sent).",
        each(lambda: _twice),
    ),
    Dialect(
        "end-missing",
        "The stream ends after the last item, without an end of the response.",
        _no_end,
    ),
    Dialect(
        "done-marker-for-end",
        "`[DONE]` stands where the end of the response should be.",
        _marker_for_end,
    ),
    Dialect(
        "done-marker-in-the-middle",
        "`[DONE]` comes after the first image; what follows is not read.",
        each(lambda: _marker_after_image),
    ),
    Dialect(
        "end-empty",
        "The end of the response lists no output.",
        every(_empty_output),
    ),
    Dialect(
        "calls-again-at-the-end",
        "The end of the response has each call once more, under another id.",
        every(_again_at_the_end),
    ),
    Dialect(
        "other-ids-at-the-end",
        "The end of the response has every item under another id.",
        every(_renamed_at_the_end),
    ),
]
