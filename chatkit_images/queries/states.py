"""What ChatKit's items have no place for: ends, and the thumbs of a person.

How the last answer of a thread has ended, which items are notes and of what, what
became of an image, and what the person thinks of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from .. import failures, models, notes
from ..context import RequestContext
from . import failure_columns, items, pages, read_items

State = dict[str, Any]
# Operations that bring a message. Others answer one that was there before.
WRITING = ("threads.create", "threads.add_user_message")
# How many categories of a moderation are told, and characters of each.
MOST_CATEGORIES, MOST_CHARACTERS = 20, 100


def end_of(thread: models.Thread) -> State | None:
    """Return how the last answer in a thread has ended.

    Returns:
        ``run`` and its ``status``; ``retry_after``, the id of the message to which a
        retry gives a new answer; and if the answer has no result ``reason``,
        ``message`` (what the person reads), ``allow_retry``, maybe ``categories`` of a
        moderation, and ``note``, the id of the newest note that says so. ``None`` if
        there was no answer, or it goes on.
    """
    run = thread.runs.order_by("-created_at", "-pk").first()
    if run is None or run.status == models.Run.Status.RUNNING:
        return None
    asked = thread.items.filter(type="user_message")
    if run.operation in WRITING:
        # If its message was not saved, the one before it has its answer already.
        asked = asked.filter(created_at__gte=run.created_at)
    end: State = {"run": str(run.pk), "status": run.status}
    end["retry_after"] = _newest(asked)
    if run.status == models.Run.Status.COMPLETED:
        return end
    told = thread.items.filter(is_note=True, created_at__gte=run.created_at)
    return end | _why(run) | {"message": notes.words(run), "note": _newest(told)}


def of_items(
    thread: models.Thread, after: str | None, limit: int, context: RequestContext
) -> dict[str, State]:
    """Return the states of a page of a thread's items, newest first, by item.

    Items of which there is nothing to say are left out. The number of queries does not
    depend on the number of items.

    Args:
        thread: The owner's thread.
        after: The id of the item before those; ``None`` for the newest.
        limit: How many items, 1 to 100.
        context: Who asks, as feedback is a person's.

    Raises:
        NotFoundError: If there neither is nor was an item ``after``.
    """
    position = pages.cursor(thread.items.all(), "item_id", thread.pk, after)
    shown = models.ThreadItem.objects.exclude(type__in=items.HIDDEN_TYPES)
    shown = shown.defer("payload")
    rows = shown.page(position, "desc", pages.clamp(limit), thread_id=thread.pk)
    states = _of_notes(thread, [row.item_id for row in rows if row.is_note])
    drawn = [row.pk for row in rows if row.type == "generated_image"]
    states |= _of_images(thread, drawn, context)
    keys = {row.pk: row.item_id for row in rows}
    thumbs = models.Feedback.objects.filter(item__in=list(keys), owner=context.person)
    for pk, kind in thumbs.values_list("item_id", "kind"):
        states.setdefault(keys[pk], {})["feedback"] = kind
    return states


def _of_notes(thread: models.Thread, ids: Iterable[str]) -> dict[str, State]:
    """Return why there are notes, by their ids, and beside which items they stand."""
    states: dict[str, State] = {key: {"kind": "note"} for key in ids}
    rows = {key: row for key in states if (row := notes.row_key(key)) is not None}
    found: dict[uuid.UUID, State] = {}
    if wanted := set(rows.values()):
        images = thread.images.filter(pk__in=wanted).select_related("item")
        for image in images.defer("item__payload"):
            found[image.pk] = {"of": "image"} | _why(image)
            if image.item is not None:
                found[image.pk]["item"] = image.item.item_id
    if left := wanted - set(found):
        for run in thread.runs.filter(pk__in=left):
            found[run.pk] = {"of": "answer"} | _why(run)
    for key, row in rows.items():
        states[key] |= found.get(row, {})
        if states[key].get("item") == key:
            # It stands in the place of its image.
            del states[key]["item"]
    return states


def _of_images(
    thread: models.Thread, keys: list[int], context: RequestContext
) -> dict[str, State]:
    """Return the states of the items that show no finished image, by their ids."""
    if not keys:
        return {}
    rows = list(thread.items.filter(pk__in=keys))
    images = read_items.images_of(rows, thread.pk, context)
    states: dict[str, State] = {}
    for row in rows:
        said = row.payload.get("image")
        if not said:
            continue
        image = images.get(said.get("key", said["id"]))
        if image is None:
            states[row.item_id] = {"kind": "removed", "of": "image"}
        elif image.is_withheld:
            states[row.item_id] = {"kind": "withheld", "of": "image"}
        elif image.status in failure_columns.PREVIEWS:
            states[row.item_id] = {"kind": "preview", "of": "image"} | _why(image)
    return states


def _why(row: notes.Row) -> State:
    reason = notes.reason_of(row)
    state: State = {
        "status": row.status,
        "reason": reason.value,
        "allow_retry": reason.may_retry,
    }
    if categories := _categories(row):
        state["categories"] = categories
    return state


def _categories(row: notes.Row) -> list[str]:
    """Return what a moderation has found, in the words of the provider."""
    told = getattr(row, "moderation", None) or failures.rows.moderation_of(row)
    named = told.get("categories") if isinstance(told, Mapping) else None
    if isinstance(named, Mapping):
        named = [key for key, value in named.items() if value]
    if not isinstance(named, list):
        return []
    words = [word[:MOST_CHARACTERS] for word in named if isinstance(word, str)]
    return words[:MOST_CATEGORIES]


def _newest(rows: Any) -> str | None:
    found: str | None = (
        rows.order_by("-created_at", "-pk").values_list("item_id", flat=True).first()
    )
    return found
