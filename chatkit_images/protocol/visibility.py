"""What a client may see: no hidden item, and no metadata of a thread."""

from __future__ import annotations

from chatkit import types

from .. import notes
from ..queries import threads

FULL = "_chatkit_images_thread"
HIDDEN = (types.HiddenContextItem, types.SDKHiddenContextItem)


def visible(event: types.ThreadStreamEvent) -> types.ThreadStreamEvent | None:
    """Return an event as a client may see it; ``None`` if the client may not see it.

    The SDK hides hidden context in one kind of event out of three, and the metadata of
    threads only in the events that it makes itself. An image that is withheld is words.
    """
    if isinstance(
        event,
        types.ThreadItemAddedEvent
        | types.ThreadItemDoneEvent
        | types.ThreadItemReplacedEvent,
    ):
        if isinstance(event.item, HIDDEN):
            return None
        seen = notes.as_seen(event.item)
        return event if seen is event.item else event.model_copy(update={"item": seen})
    if isinstance(event, types.ThreadCreatedEvent | types.ThreadUpdatedEvent):
        return event.model_copy(update={"thread": public_thread(event.thread)})
    return event


def public_thread(thread: types.ThreadMetadata) -> types.Thread:
    """Return a thread as a person sees it: no metadata, no hidden items."""
    items = thread.items if isinstance(thread, types.Thread) else types.Page()
    kept = [notes.as_seen(item) for item in items.data if not isinstance(item, HIDDEN)]
    shown = types.Thread(
        id=thread.id,
        # As its row has it.
        title=thread.title and threads.clean_title(thread.title),
        created_at=thread.created_at,
        status=thread.status,
        allowed_image_domains=thread.allowed_image_domains,
        items=items.model_copy(update={"data": kept}),
    )
    # Pydantic leaves such an attribute out of dumps and comparisons.
    shown.__dict__[FULL] = with_metadata(thread)
    return shown


def with_metadata(thread: types.ThreadMetadata) -> types.ThreadMetadata:
    """Return the thread of which a client's thread was made, or the thread itself."""
    full: types.ThreadMetadata = thread.__dict__.get(FULL, thread)
    return full
