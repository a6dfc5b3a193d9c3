"""The items that a client sees being made while a stream goes on."""

from __future__ import annotations

from collections.abc import Iterator

from chatkit import types

from ..agents import trackers
from .item_updates import has_content, text_of, update


class OpenItems:
    """Follows the events of a stream, and ends the items that it leaves open."""

    def __init__(self) -> None:
        self._items: dict[str, types.ThreadItem] = {}

    def follow(self, event: types.ThreadStreamEvent) -> None:
        """Note whether an event begins, changes or ends an item."""
        match event:
            case types.ThreadItemAddedEvent():
                # The code that made the item, and the SDK, go on changing their own.
                self._items[event.item.id] = event.item.model_copy(deep=True)
            case types.ThreadItemUpdatedEvent():
                if (item := self._items.get(event.item_id)) is not None:
                    update(item, event.update)
            case types.ThreadItemDoneEvent() | types.ThreadItemReplacedEvent():
                self._items.pop(event.item.id, None)
            case types.ThreadItemRemovedEvent():
                self._items.pop(event.item_id, None)

    def renamed(self, event: types.ThreadStreamEvent) -> str | None:
        """Return the id under which a message began that ends under another one.

        Some gateways number the events of a message anew. Without this it would stand
        there twice: once as its end says, and once open.
        """
        if not isinstance(event, types.ThreadItemDoneEvent):
            return None
        done = event.item
        if not isinstance(done, types.AssistantMessageItem) or done.id in self._items:
            return None
        text = text_of(done).strip()
        same = (
            key
            for key, item in self._items.items()
            if isinstance(item, types.AssistantMessageItem)
            and text_of(item).strip() == text
        )
        return next(same, None) if text else None

    def end(self) -> Iterator[types.ThreadStreamEvent]:
        """Yield the events that end what the stream has left open.

        What a person has read or seen is done, what is empty is removed.
        """
        for tracker in trackers.get() or ():
            for event in tracker.take_leftovers():
                self.follow(event)
                yield event
        for key, item in self._items.items():
            if has_content(item):
                yield types.ThreadItemDoneEvent(item=item)
            else:
                yield types.ThreadItemRemovedEvent(item_id=key)
        self._items = {}
