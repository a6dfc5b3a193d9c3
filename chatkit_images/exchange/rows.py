"""The rows of a person, in pages, and the lines that say what is in them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet

from .. import models
from ..queries.items import HIDDEN_TYPES
from . import format

PAGE = 200
Line = dict[str, Any]


def in_time(rows: Any, **within: Any) -> Iterator[Any]:
    """Yield rows in the order of their times, a page of them at a time.

    No cursor and no transaction is open while somebody works with a row.

    Args:
        rows: The rows.
        within: The column of whose value they are, and the value; an index begins with
            it and goes on with their times and keys.
    """
    page = rows.page(None, "asc", PAGE, **within)
    while page:
        yield from page
        last = page[-1]
        page = rows.page((last.created_at, last.pk), "asc", PAGE, **within)


def by_key(rows: QuerySet[Any]) -> Iterator[Any]:
    """Yield rows in the order of their keys, likewise."""
    rows = rows.order_by("pk")
    page = list(rows[:PAGE])
    while page:
        yield from page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])


def images_of(thread: models.Thread) -> Iterator[models.GeneratedImage]:
    """Yield the images of a thread, with what they were made from."""
    sources = models.ImageSource.objects.order_by("pk")
    rows = models.GeneratedImage.objects.filter(thread=thread).select_related("item")
    rows = rows.defer("item__payload")
    return by_key(rows.prefetch_related(Prefetch("sources", queryset=sources)))


def items_of(
    thread: models.Thread, *, internal: bool = False
) -> Iterator[models.ThreadItem]:
    """Yield the items of a thread, without those that ChatKit never shows.

    Args:
        thread: The thread.
        internal: Whether these are yielded, too.
    """
    rows = models.ThreadItem.objects.all()
    rows = rows if internal else rows.exclude(type__in=HIDDEN_TYPES)
    return in_time(rows, thread_id=thread.pk)


def of_export(owner: str, now: datetime.datetime, *, internal: bool) -> Line:
    """Return the first line."""
    return {
        "line": "export",
        "format": format.FORMAT,
        "version": format.VERSION,
        "created_at": now.astimezone(datetime.UTC).isoformat(),
        "owner": owner,
        "internal": internal,
    }


def of_thread(row: models.Thread, *, internal: bool) -> Line:
    """Return the line of a thread."""
    columns = format.columns_of("thread", row, internal=internal)
    return {"line": "thread", "id": row.pk, **columns}


def of_run(row: models.Run, *, internal: bool) -> Line:
    """Return the line of a run."""
    columns = format.columns_of("run", row, internal=internal)
    return {"line": "run", "id": str(row.pk), "thread": row.thread_id, **columns}


def of_item(row: models.ThreadItem, *, internal: bool) -> Line:
    """Return the line of an item."""
    columns = format.columns_of("item", row, internal=internal)
    return {"line": "item", "id": row.item_id, "thread": row.thread_id, **columns}


def of_attachment(row: models.Attachment, path: str | None, *, internal: bool) -> Line:
    """Return the line of an attachment, whose bytes are at a path of the archive."""
    columns = format.columns_of("attachment", row, internal=internal)
    place = {"id": row.pk, "thread": row.thread_id, "path": path}
    return {"line": "attachment", **place, **columns}


def of_image(row: models.GeneratedImage, path: str | None, *, internal: bool) -> Line:
    """Return the line of an image, whose bytes are at a path of the archive."""
    columns = format.columns_of("image", row, internal=internal)
    place = {
        "id": str(row.pk),
        "thread": row.thread_id,
        "item": row.item.item_id if row.item else None,
        "run": str(row.run_id) if row.run_id else None,
        "path": path,
    }
    sources = [
        {
            "role": source.role,
            "image": str(source.source_image_id) if source.source_image_id else None,
            "attachment": source.attachment_id,
        }
        for source in row.sources.all()
    ]
    return {"line": "image", **place, "sources": sources, **columns}


def of_feedback(row: models.Feedback, *, internal: bool) -> Line:
    """Return the line of a thumb up or down."""
    columns = format.columns_of("feedback", row, internal=internal)
    place = {"thread": row.thread_id, "item": row.item.item_id, "person": row.owner}
    return {"line": "feedback", **place, **columns}


def facts_of(row: models.GeneratedImage, path: str | None, credentials: str) -> Line:
    """Return what a reader must know of an image: by what it was generated.

    Args:
        row: The image.
        path: Where its bytes are; ``None`` if they are not in the archive.
        credentials: What content credentials its bytes carry.
    """
    edited = any(source.role == "edited" for source in row.sources.all())
    give = format.KINDS["image"]
    shown = {field.name: field.value.give for field in give}
    return {
        "path": path,
        "image": row.image_id,
        "thread": row.thread_id,
        "ai_generated": True,
        "digital_source_type": format.COMPOSITE if edited else format.TRAINED,
        "provider": row.provider or None,
        "model": row.model or row.chat_model or None,
        "source": row.source,
        "status": row.status,
        "prompt": row.prompt,
        "revised_prompt": row.revised_prompt,
        "created_at": shown["created_at"](row.created_at),
        "mime": row.mime or None,
        "width": row.width,
        "height": row.height,
        "bytes": row.bytes,
        "sha256": row.sha256 or None,
        "content_credentials": credentials,
        **({} if path else {"left_out": left_out(row)}),
    }


def left_out(row: models.GeneratedImage) -> str:
    """Return why the bytes of an image are not in the archive."""
    if row.status == row.Status.BLOCKED:
        return "blocked"
    if row.status == row.Status.GENERATING:
        return "generating"
    if row.file and row.is_withheld:
        return str(row.visibility)
    return "unreadable" if row.file else "no_result"
