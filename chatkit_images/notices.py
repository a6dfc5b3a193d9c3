"""Notices: what a person reads where an answer, or an image of it, has no result.

``queries.endings`` decides how an image ends; here are the words for it.
"""

from __future__ import annotations

import datetime

from chatkit import types
from django.utils.translation import gettext as _

from .models import GeneratedImage

Status = GeneratedImage.Status


def reason(status: str, code: str = "") -> str:
    """Return why an image has no result, in the language that is active.

    Args:
        status: One of ``GeneratedImage.Status``.
        code: The error code of its row.
    """
    if status == Status.BLOCKED:
        return _("The image was blocked by the safety system.")
    if status == Status.CANCELLED:
        return _("The image was stopped before it was ready.")
    if status == Status.INTERRUPTED:
        return _("The image was interrupted before it was ready.")
    if code == "not_saved":
        return _("The image was made but could not be saved.")
    return _("The image could not be generated.")


def message(
    key: str, thread_id: str, created_at: datetime.datetime, text: str
) -> types.AssistantMessageItem:
    """Return the item that shows a text where an image, or an answer, would stand."""
    return types.AssistantMessageItem(
        id=key,
        thread_id=thread_id,
        created_at=created_at,
        content=[types.AssistantMessageContent(text=text)],
    )
