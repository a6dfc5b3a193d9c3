"""Rows of thread items."""

from __future__ import annotations

import logging
import uuid
from typing import cast

from chatkit import types
from django.db.models import Q, QuerySet
from django.db.models.signals import post_delete, pre_delete
from django.utils import timezone

from .. import models, notes, times
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..transactions import atomic
from . import (
    data_urls,
    fence,
    holds,
    identity,
    item_payloads,
    pages,
    read_items,
    threads,
)
from .inline_rows import NOTHING, Stored, Wanted

logger = logging.getLogger(__name__)
HIDDEN_TYPES = ("hidden_context_item", "sdk_hidden_context")
# How the ids of items begin that replace an image without a result.
IMAGE_PREFIX = identity.PREFIX


def load_page(
    thread_id: str,
    after: str | None,
    limit: int,
    order: str,
    context: RequestContext,
    hidden: bool = True,
) -> types.Page[types.ThreadItem]:
    """Return a page of a thread's items, with or without hidden context.

    What a client asks for, which is without, ends before it has more than
    ``PAGE_SIZE`` characters, but has an item at least. It has words in the place of an
    image that was removed.

    The first page of the newest items is a ``CountedPage``: a model's window over them
    begins at a place that depends on their number.
    """
    key = clean(thread_id)
    owned = models.ThreadItem.objects.for_owner(context.owner).filter(thread_id=key)
    position = pages.cursor(owned, "item_id", thread_id, after)
    rows = models.ThreadItem.objects.of_owner(key, context.owner)
    if not hidden:
        rows = rows.exclude(type__in=HIDDEN_TYPES)
    limit = pages.clamp(limit)
    counted = hidden and after is None and order == "desc"
    if counted:
        rows = rows.annotate(total=pages.number_of_items(key))
    found = rows.page(position, order, limit + 1, thread_id=key)
    more = len(found) > limit
    if not hidden and (most := pages.fitting(found)) < min(limit, len(found)):
        limit, more = most, True
    if not found:
        # The thread may have no items, or belong to another owner.
        threads.get(thread_id, context)
    data = read_items.to_items(found[:limit], thread_id, context, for_model=hidden)
    if not hidden:
        data = [notes.as_seen(each) for each in data]
    last = found[limit - 1].item_id if more else None
    if counted:
        total = vars(found[0])["total"] if found else 0
        return pages.CountedPage(data=data, has_more=more, after=last, total=total)
    return types.Page(data=data, has_more=more, after=last)


def load(thread_id: str, item_id: str, context: RequestContext) -> types.ThreadItem:
    """Return one item.

    Raises:
        NotFoundError: If the owner's thread has no such item.
    """
    thread = threads.get(thread_id, context)
    rows = thread.items.filter(item_id=clean(item_id))
    found = read_items.to_items(list(rows), thread_id, context)
    if not found:
        raise NotFoundError(f"Item {item_id} not found in thread {thread_id}")
    return found[0]


def load_newest_message(
    thread_id: str, context: RequestContext
) -> types.UserMessageItem | None:
    """Return what the person has written last in a thread, if anything."""
    key = clean(thread_id)
    said = models.ThreadItem.objects.of_owner(key, context.owner)
    rows = said.filter(type="user_message").page(None, "desc", 1, thread_id=key)
    found = read_items.to_items(rows, thread_id, context)
    return cast("types.UserMessageItem", found[0]) if found else None


def save(
    thread_id: str,
    item: types.ThreadItem,
    context: RequestContext,
    *,
    fenced: bool = True,
    inline: Stored | None = NOTHING,
    foreign: bool = False,
) -> None:
    """Insert an item, or update the item of that id in its place.

    Args:
        thread_id: Its thread.
        item: The item.
        context: Who asked.
        fenced: Whether a run that was taken over is refused.
        inline: The images that the item has as ``data:`` URLs. Others are left out.
        foreign: Whether an image of another host keeps its URL.

    Raises:
        Unstored: If ``inline`` is ``None`` and the item has such images. Nothing is
            written; ``chatkit_images.inline_images`` stores them.
    """
    wanted = Wanted(inline)
    payload = item_payloads.of_item(
        item, context.owner, wanted.find, context.scope, foreign=foreign
    )
    wanted.check()
    shown = _image_of(item, context, wanted)
    if shown is not None and isinstance(item, types.GeneratedImageItem):
        payload["image"] = item_payloads.named(item, shown)
    with atomic():
        # This locks the thread, so that a thread that is being deleted takes no items.
        key = clean(thread_id)
        same = models.Thread.objects.for_owner(context.owner).filter(pk=key)
        if not same.update(updated_at=timezone.now()):
            raise NotFoundError(f"Thread {thread_id} not found")
        if fenced:
            fence.check()
        # All writers of items lock the thread, so no other makes the item meanwhile.
        same_item = models.ThreadItem.objects.filter(thread_id=key, item_id=item.id)
        row = same_item.locked().one()
        if row is None:
            row = models.ThreadItem.objects.create(
                thread_id=key,
                item_id=item.id,
                type=item.type,
                payload=payload,
                is_note=notes.is_note(item),
                created_at=times.to_column(item.created_at),
            )
        else:
            # The first created_at stays: ChatKit stamps a message twice.
            row.type, row.payload = item.type, payload
            row.is_note = notes.is_note(item)
            row.save(update_fields=["type", "payload", "is_note"])
        _link(row, item, shown, wanted.keys)


def _image_of(
    item: types.ThreadItem, context: RequestContext, wanted: Wanted
) -> models.GeneratedImage | None:
    """Return the image that an item shows, if it is known."""
    if not isinstance(item, types.GeneratedImageItem) or item.image is None:
        return None
    if match := data_urls.DATA_IMAGE.fullmatch(item.image.url):
        return wanted.find(item.image.id, match[1])
    return identity.of_image(item.image, item.thread_id, context.owner)


def _link(
    row: models.ThreadItem,
    item: types.ThreadItem,
    shown: models.GeneratedImage | None,
    inline: list[uuid.UUID],
) -> None:
    """Link a row to the images that it shows, or to the image that it replaces."""
    own = models.GeneratedImage.objects.filter(thread_id=row.thread_id)
    if shown is not None:
        own.filter(pk=shown.pk).update(item=row, superseded_at=None)
    if key := identity.key_of(item.id):
        own.filter(pk=key, item=None).update(item=row)
    if inline:
        own.filter(pk__in=inline, item=None).update(item=row)


@atomic()
def delete(thread_id: str, item_id: str, context: RequestContext) -> None:
    """Delete an item, if it is there; its images stay as superseded versions.

    An item of a thread that is held stays, and the log says so. Nothing is raised:
    ChatKit deletes items while it answers, and people who are held chat on.
    """
    thread = _locked(thread_id, context)
    if holds.of(thread.owner, thread.pk):
        logger.info("An item stays, as its thread %s is held.", thread.pk)
        return
    _delete(thread, thread.items.filter(item_id=clean(item_id)))


@atomic()
def delete_after(thread_id: str, item_id: str, context: RequestContext) -> None:
    """Delete what follows an item; images stay as superseded versions.

    Raises:
        NotFoundError: If the owner's thread has no such item any more.
        RequestRefused: If the thread is held.
    """
    thread = _locked(thread_id, context)
    holds.check_answer(thread)
    found = thread.items.filter(item_id=clean(item_id))
    position = found.values_list("created_at", "pk").first()
    if position is None:
        raise NotFoundError(f"Item {item_id} not found in thread {thread_id}")
    created_at, pk = position
    later = Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk)
    # Databases do not see in the condition above that it bounds an index.
    _delete(thread, thread.items.filter(later, created_at__gte=created_at))


def _locked(thread_id: str, context: RequestContext) -> models.Thread:
    thread = threads.get(thread_id, context)
    models.Thread.objects.locked().filter(pk=thread.pk).one()
    fence.check()
    return thread


def _delete(thread: models.Thread, rows: QuerySet[models.ThreadItem]) -> None:
    """Delete items by their condition, however many they are.

    Whoever writes items has locked the thread, so they stay the same meanwhile.
    """
    rows = rows.order_by()
    pages.bury(thread.pk, list(rows.values_list("item_id", "pk", "created_at")))
    shown = thread.images.filter(item__in=rows)
    shown.update(item=None, superseded_at=timezone.now())
    if pre_delete.has_listeners(models.ThreadItem) or post_delete.has_listeners(
        models.ThreadItem
    ):
        rows.delete()  # The project wants to know of each.
        return
    # Django would read their keys and delete a hundred at a time.
    models.Feedback.objects.filter(item__in=rows).delete()
    rows._raw_delete(rows.db)
