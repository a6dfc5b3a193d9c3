"""Rows that the pages of a history have read, kept for the model's input.

A page needs the rows of its images for their URLs. A run keeps them until its input
takes them, so the input needs no statement.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from time import monotonic

from chatkit import types

from .. import models
from ..context import RequestContext
from ..run_state import current_state
from . import identity, item_payloads, model_rows, variants
from .model_rows import ModelRows
from .named_images import MOST_NAMED

# Rows that a run keeps; those of a longer history are looked up again.
MOST_KEPT = 2000
# Seconds for which they count. An image may be deleted or blocked, or its preview
# replaced, while a project's own ``get_history()`` is at work.
FRESH = 5.0


def are_kept() -> bool:
    """Whether rows that are read now are kept for the input of a run."""
    return current_state.get() is not None


def keys_of(rows: Collection[models.ThreadItem]) -> set[uuid.UUID]:
    """Return the keys of images that an input of rows needs, but no page of them."""
    ids = {row.item_id for row in rows if row.type == "assistant_message"}
    ids.update(list(dict.fromkeys(map(str, _tag_ids(rows))))[:MOST_NAMED])
    return {key for each in ids if (key := identity.key_of(each))}


def keep(
    rows: Collection[models.ThreadItem],
    context: RequestContext,
    images: Mapping[str, models.GeneratedImage],
    files: Iterable[models.Attachment],
) -> None:
    """Keep what a page has read, for the input of the run that reads it.

    Args:
        rows: Those of the page.
        context: Whose they are.
        images: The owner's images by what names them, each with its form for models.
        files: The owner's attachments, likewise.
    """
    state = current_state.get()
    if state is None:
        return
    found = state.rows
    same = found is not None and found.owner == context.owner and _is_fresh(found)
    if found is None or not same or len(found) > MOST_KEPT:
        found = ModelRows(context.owner)
    known = {file.pk: file for file in files}
    for row in rows:
        ids, said = (row.thread_id, row.item_id), row.payload
        if row.type == "generated_image" and (shown := said.get("image")):
            image = images.get(shown.get("key", shown["id"]))
            spot = *ids, item_payloads.name_of(shown, image)
            found.images[spot] = model_rows.shown(image, row.thread_id)
        elif row.type == "assistant_message" and (pk := identity.key_of(row.item_id)):
            image = model_rows.of_thread(images.get(str(pk)), row.thread_id)
            found.images[*ids, row.item_id] = image
        for each in said.get("attachments", ()):
            found.attachments[each] = known.get(each)
    for name in _tag_ids(rows):
        if len(found.named) < MOST_NAMED and (pk := identity.key_of(name)):
            found.named[name] = model_rows.visible(images.get(str(pk)))
    state.rows = found


def may_be_refused(items: Iterable[types.ThreadItem], context: RequestContext) -> bool:
    """Whether a provider may have refused a file of items, as far as a run knows."""
    state = current_state.get()
    if state is None or state.rows is None or state.rows.owner != context.owner:
        return True
    rows = state.rows
    return not all(map(rows.covers, items)) or any(
        row is not None and variants.is_refused(row)
        for kind in (rows.images, rows.attachments, rows.named)
        for row in kind.values()
    )


def take(context: RequestContext) -> ModelRows:
    """Return what this run has kept of an owner's rows, and keep it no more."""
    state = current_state.get()
    if state is None or state.rows is None or state.rows.owner != context.owner:
        return ModelRows(context.owner)
    found, state.rows = state.rows, None
    return found if _is_fresh(found) else ModelRows(context.owner)


def _is_fresh(found: ModelRows) -> bool:
    return monotonic() - found.since < FRESH


def _tag_ids(rows: Iterable[models.ThreadItem]) -> Iterator[str]:
    for row in rows:
        content = row.payload.get("content") if row.type == "user_message" else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "input_tag":
                yield str(part.get("id"))
