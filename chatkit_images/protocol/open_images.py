"""The images that a client sees being generated while a stream goes on."""

from __future__ import annotations

from collections.abc import Iterator

from chatkit import types

from ..agents import trackers


class OpenImages:
    """Follows the events of a stream, and ends the images that it leaves open."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def follow(self, event: types.ThreadStreamEvent) -> None:
        """Note whether an event begins or ends an image."""
        if isinstance(event, types.ThreadItemAddedEvent):
            if isinstance(event.item, types.GeneratedImageItem):
                self._ids.add(event.item.id)
        elif isinstance(event, types.ThreadItemDoneEvent):
            self._ids.discard(event.item.id)
        elif isinstance(event, types.ThreadItemRemovedEvent):
            self._ids.discard(event.item_id)

    def end(self) -> Iterator[types.ThreadStreamEvent]:
        """Yield the events that end what the stream has left open."""
        for tracker in trackers.get() or ():
            for event in tracker.take_leftovers():
                self.follow(event)
                yield event
        # ChatKit's own function never ends a call that brings no image.
        for item_id in self._ids:
            yield types.ThreadItemRemovedEvent(item_id=item_id)
