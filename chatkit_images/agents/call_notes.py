"""The notes of an image call: what stands in the place of its image, or beside it."""

from __future__ import annotations

from chatkit import types

from .. import models, notes
from .outcomes import ImageOutcome


def in_its_place(
    item: types.GeneratedImageItem, key: str, outcome: ImageOutcome
) -> types.AssistantMessageItem:
    """Return the note that says why there is no image.

    Args:
        item: The item of the call.
        key: The id of the note.
        outcome: How the call has ended.
    """
    text = notes.words(_ended(item, outcome))
    return notes.message(key, item.thread_id, item.created_at, text)


def beside(
    item: types.GeneratedImageItem, key: str, outcome: ImageOutcome
) -> types.AssistantMessageItem:
    """Return the note that says that an image is only its newest preview, and why.

    Args:
        item: The item of the call.
        key: The id that a note in its place would have.
        outcome: How the call has ended.
    """
    text = notes.preview_words(_ended(item, outcome))
    return notes.message(notes.beside(key), item.thread_id, item.created_at, text)


def _ended(
    item: types.GeneratedImageItem, outcome: ImageOutcome
) -> models.GeneratedImage:
    """Return a row that says how the call has ended."""
    return models.GeneratedImage(
        thread_id=item.thread_id, status=outcome.status, **outcome.columns()
    )
