"""Rows of threads."""

from __future__ import annotations

from collections import deque
from typing import Any

from chatkit import types
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import models, times
from ..cleaning import clean, clean_json, clean_line
from ..context import RequestContext
from ..contexts import may_delete
from ..exceptions import NotFoundError, RequestRefused
from ..run_state import current_run
from ..transactions import atomic
from . import data_urls, fence, holds, pages

LOADED = "_chatkit_images_loaded"
# The newest threads that this process has made. ChatKit answers a first message with a
# thread that is neither loaded nor saved, but a copy of it is.
_made: deque[str] = deque(maxlen=5000)


def remember(thread: types.ThreadMetadata) -> None:
    """Note a thread's values, so that ``save`` writes only what changed.

    ChatKit saves whole threads during long streams. Without this, the title from the
    beginning of the stream would undo a rename that was made meanwhile.
    """
    # Pydantic leaves such an attribute out of dumps and comparisons, and copies it.
    thread.__dict__[LOADED] = _values(thread)


def is_known(thread: types.ThreadMetadata) -> bool:
    """Whether a thread comes from this app's store; the database is not asked."""
    return LOADED in thread.__dict__ or thread.id in _made.copy()


def has_row(thread: types.ThreadMetadata) -> bool:
    """Whether there is a row of a thread, whoever has it."""
    return models.Thread.objects.filter(pk=clean(thread.id)).exists()


def give_title(thread_id: str, title: str, context: RequestContext) -> str | None:
    """Give a thread a title, unless it has one, and return what it has then."""
    rows = models.Thread.objects.for_owner(context.owner).filter(pk=thread_id)
    untitled = rows.filter(Q(title=None) | Q(title=""))
    untitled.update(title=clean_title(title), updated_at=timezone.now())
    found: str | None = rows.values_list("title", flat=True).first()
    return found


def take_title(thread: types.ThreadMetadata, title: str | None) -> None:
    """Show a title that is saved, so that ``save`` does not write it once more."""
    thread.title = title
    if (loaded := thread.__dict__.get(LOADED)) is not None:
        thread.__dict__[LOADED] = loaded | {"title": title}


def get(thread_id: str, context: RequestContext) -> models.Thread:
    """Return the row of an owner's thread.

    Raises:
        NotFoundError: If the owner has no such thread.
    """
    try:
        return models.Thread.objects.for_owner(context.owner).get(pk=clean(thread_id))
    except models.Thread.DoesNotExist:
        raise NotFoundError(f"Thread {thread_id} not found") from None


def to_thread(row: models.Thread) -> types.ThreadMetadata:
    """Return a row as ChatKit's type."""
    status: dict[str, Any] = {"type": row.status}
    if row.status != models.Thread.Status.ACTIVE:
        status["reason"] = row.status_reason
    thread = types.ThreadMetadata.model_validate(
        {
            "id": row.pk,
            "title": row.title,
            "created_at": times.to_naive(row.created_at),
            "status": status,
            "metadata": row.metadata,
            "allowed_image_domains": row.allowed_image_domains,
        }
    )
    remember(thread)
    return thread


@atomic()
def save(thread: types.ThreadMetadata, context: RequestContext) -> None:
    """Insert a thread, or update those of its values that changed."""
    # In this order, because ``take_title`` may change both meanwhile.
    loaded = thread.__dict__.get(LOADED)
    values = _values(thread)
    row = models.Thread.objects.locked().filter(pk=thread.id).one()
    if row is None and loaded is None:
        insert(thread, context)
        _give_to_run(thread.id)
        return
    fence.check()
    if row is None or row.owner != context.owner:
        # A thread that was deleted meanwhile must not come back.
        raise NotFoundError(f"Thread {thread.id} not found")
    changed = [
        name for name in values if loaded is None or loaded[name] != values[name]
    ]
    if changed:
        for name in changed:
            setattr(row, name, values[name])
        row.save(update_fields=[*changed, "updated_at"])


def insert(thread: types.ThreadMetadata, context: RequestContext) -> None:
    """Insert a thread."""
    _made.append(thread.id)
    models.Thread.objects.create(
        pk=thread.id,
        owner=context.owner,
        user_id=context.user_id,
        created_at=times.to_column(thread.created_at),
        **_values(thread),
    )


def _give_to_run(thread_id: str) -> None:
    """Link a thread that the claim has not made to the run that is executing."""
    run_id = current_run.get()
    if run_id is None:
        return
    going = models.Run.objects.running().filter(pk=run_id, thread=None)
    if not going.update(thread_id=thread_id):
        # The run has a thread already, or has ended.
        fence.check()


def load_page(
    limit: int, after: str | None, order: str, context: RequestContext
) -> types.Page[types.ThreadMetadata]:
    """Return a page of an owner's threads; no item is read for it."""
    threads = models.Thread.objects
    owned = threads.for_owner(context.owner)
    position = pages.cursor(owned, "pk", context.owner, after)
    limit = pages.clamp(limit)
    rows = threads.page(position, order, limit + 1, owner=context.owner)
    return types.Page(
        data=[to_thread(row) for row in rows[:limit]],
        has_more=len(rows) > limit,
        after=rows[limit - 1].pk if len(rows) > limit else None,
    )


@atomic()
def delete(thread_id: str, context: RequestContext) -> None:
    """Delete a thread with its items, images and attachments.

    Raises:
        NotFoundError: If the owner has no such thread.
        RequestRefused: If the person may not delete it, or if it is held.
    """
    # Writers of items lock the thread too, so none writes in between. This lock is
    # stronger than theirs: no row that points at the thread may be inserted either.
    models.Thread.objects.select_for_update().filter(pk=clean(thread_id)).first()
    row = get(thread_id, context)
    if not may_delete(context, row):
        raise RequestRefused(
            "not_allowed", _("You may not delete this chat."), status=403
        )
    holds.check_thread(row)
    pages.bury(context.owner, [(row.pk, row.pk, row.created_at)])
    row.delete()


def set_status(
    rows: QuerySet[models.Thread], status: models.Thread.Status, reason: str = ""
) -> list[models.Thread]:
    """Lock, close or reopen threads for staff, and return them.

    Args:
        rows: The threads.
        status: What they are from now on.
        reason: What their people read; a thread that is active has none.
    """
    found = list(rows)
    words = "" if status == models.Thread.Status.ACTIVE else clean(reason).strip()
    models.Thread.objects.filter(pk__in=[row.pk for row in found]).update(
        status=status, status_reason=words or None, updated_at=timezone.now()
    )
    return found


def clean_title(title: str) -> str:
    """Return a title as its column takes it."""
    # A title may be a whole body, of which the beginning is enough.
    return clean_line(data_urls.Cutter().cut(title)[:1000])[:255]


def _values(thread: types.ThreadMetadata) -> dict[str, Any]:
    values = {
        "title": None if thread.title is None else clean_title(thread.title),
        "status": thread.status.type,
        "status_reason": getattr(thread.status, "reason", None),
        "metadata": thread.metadata,
        "allowed_image_domains": thread.allowed_image_domains,
    }
    # The metadata is copied, because the thread's own may change later.
    cleaned: dict[str, Any] = clean_json(values)
    return cleaned
