"""The notes of an image call: in the place of its image, and beside a preview."""

from __future__ import annotations

from collections.abc import Callable

from chatkit import types

from .. import models, notes
from ..converters import DjangoResponseStreamConverter
from .outcomes import ImageOutcome


class CallNotes:
    """Makes the items that say how a call has ended.

    Args:
        call_id: The identity of the call.
        item: The item that stands for the call in the thread.
        converter: Knows the row of the call.
        new_id: Makes an id for an item of a call that has no row.
    """

    def __init__(
        self,
        call_id: str,
        item: types.GeneratedImageItem,
        converter: DjangoResponseStreamConverter,
        new_id: Callable[[], str],
    ) -> None:
        self._call_id = call_id
        self._item = item
        self._converter = converter
        self._new_id = new_id

    def in_place(self, outcome: ImageOutcome) -> types.AssistantMessageItem:
        """Return the note that replaces an image without a result."""
        key = self._converter.message_id(self._call_id) or self._new_id()
        return self._message(key, notes.words(self._row(outcome)))

    def beside(self, outcome: ImageOutcome) -> types.AssistantMessageItem:
        """Return the note that says that an image is only a preview, and why."""
        key = notes.beside(self._converter.message_id(self._call_id))
        return self._message(key, notes.preview_words(self._row(outcome)))

    def _message(self, key: str, text: str) -> types.AssistantMessageItem:
        item = self._item
        return notes.message(key, item.thread_id, item.created_at, text)

    def _row(self, outcome: ImageOutcome) -> models.GeneratedImage:
        """Return a row that says how the call has ended."""
        return models.GeneratedImage(
            thread_id=self._item.thread_id,
            call_id=self._call_id,
            status=outcome.status,
            **outcome.columns(),
        )
