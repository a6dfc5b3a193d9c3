"""What may reach a client, and in which form."""

from __future__ import annotations

import datetime
from typing import Any

import pydantic_core
from chatkit import types
from chatkit.errors import ErrorCode
from pydantic import BaseModel

HIDDEN = (types.HiddenContextItem, types.SDKHiddenContextItem)


def dump(value: BaseModel) -> bytes:
    """Return ChatKit's JSON of a value, its times with their offset.

    ChatKit stamps naive local time, which a browser elsewhere would misread.
    """
    if isinstance(value, types.ThreadItemUpdatedEvent):
        # The bulk of a stream; it has no times.
        return value.model_dump_json(
            by_alias=True, exclude_none=True, context={"exclude_metadata": True}
        ).encode()
    data = value.model_dump(
        by_alias=True, exclude_none=True, context={"exclude_metadata": True}
    )
    return pydantic_core.to_json(_with_offsets(data))


def chunk(event: types.ThreadStreamEvent) -> bytes:
    """Return an event as a chunk of a stream."""
    return b"data: %b\n\n" % dump(event)


def broken_off() -> types.ErrorEvent:
    """Return the event that ends a stream in the middle; the person may try again."""
    return types.ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)


def visible(event: types.ThreadStreamEvent) -> types.ThreadStreamEvent | None:
    """Return an event as a client may see it, ``None`` if it may not.

    The SDK hides hidden context in one event of three, and the metadata of
    threads only in the events that it makes itself.
    """
    if isinstance(
        event,
        types.ThreadItemAddedEvent
        | types.ThreadItemDoneEvent
        | types.ThreadItemReplacedEvent,
    ) and isinstance(event.item, HIDDEN):
        return None
    if isinstance(event, types.ThreadCreatedEvent | types.ThreadUpdatedEvent):
        return event.model_copy(update={"thread": public_thread(event.thread)})
    return event


def public_thread(thread: types.ThreadMetadata) -> types.Thread:
    """Return a thread without its metadata and its hidden items."""
    items = thread.items if isinstance(thread, types.Thread) else types.Page()
    shown = [item for item in items.data if not isinstance(item, HIDDEN)]
    return types.Thread(
        id=thread.id,
        title=thread.title,
        created_at=thread.created_at,
        status=thread.status,
        allowed_image_domains=thread.allowed_image_domains,
        items=items.model_copy(update={"data": shown}),
    )


def _with_offsets(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone() if value.tzinfo is None else value
    if isinstance(value, dict):
        return {key: _with_offsets(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_offsets(inner) for inner in value]
    return value
