"""How an image that has no final picture ends, and what the person reads of it."""

from __future__ import annotations

import datetime

from chatkit import types
from django.utils.translation import gettext as _

from .. import links, models
from ..context import RequestContext
from ..querysets import GeneratedImageQuerySet
from . import items, payloads

Status = models.GeneratedImage.Status


def reason(status: str, code: str = "") -> str:
    """Return what the person reads about an image that has no picture."""
    if status == Status.BLOCKED:
        return _("The image was blocked by the safety system.")
    if status == Status.CANCELLED:
        return _("The image was stopped before it was ready.")
    if status == Status.INTERRUPTED:
        return _("The image was interrupted before it was ready.")
    if code == "not_saved":
        return _("The image was made but could not be saved.")
    return _("The image could not be generated.")


def message_id(image: models.GeneratedImage) -> str:
    """Return the id of the item that stands for an image without a picture.

    ``items.save`` links an item of such an id to its image.
    """
    return f"{items.IMAGE_PREFIX}{image.pk.hex}"


def message(
    key: str, thread_id: str, created_at: datetime.datetime, text: str
) -> types.AssistantMessageItem:
    """Return the item that stands where a picture would stand."""
    return types.AssistantMessageItem(
        id=key,
        thread_id=thread_id,
        created_at=created_at,
        content=[types.AssistantMessageContent(text=text)],
    )


def interrupt(images: GeneratedImageQuerySet) -> int:
    """End images whose run has died and show them in their threads.

    The newest preview, where there is one, becomes the picture. A picture that
    was complete but not yet in its thread gets there.

    Returns:
        How many images this call ended.
    """
    ended = 0
    for image in images.filter(item=None, superseded_at=None).select_related("thread"):
        ended += image.settle(Status.INTERRUPTED)
        _show(image)
    return ended


def _show(image: models.GeneratedImage) -> None:
    context = RequestContext(image.thread.user, image.thread.owner)
    key, created_at = message_id(image), payloads.to_naive(image.created_at)
    item: types.ThreadItem
    if image.is_shown:
        url = links.image_url(image, context)
        item = types.GeneratedImageItem(
            id=key,
            thread_id=image.thread_id,
            created_at=created_at,
            image=types.GeneratedImage(id=image.call_id, url=url),
        )
    else:
        text = reason(image.status, image.error_code)
        item = message(key, image.thread_id, created_at, text)
    items.save(image.thread_id, item, context)
