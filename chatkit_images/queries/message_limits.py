"""Limits of what one request brings, checked before anything is written."""

from __future__ import annotations

from chatkit import types
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import models
from ..cleaning import clean
from ..conf import Limits
from ..context import RequestContext
from ..exceptions import RequestRefused
from .limit_words import refused

MOST_ITEMS = 10**9


def check(request: types.StreamingReq, limits: Limits, context: RequestContext) -> None:
    """Refuse a message that is too large, and a thread that has too many items.

    Raises:
        RequestRefused: With 413 for the message, with 429 for the thread.
    """
    message = getattr(request.params, "input", None)
    if isinstance(message, types.UserMessageInput):
        check_message(message, limits)
    most = limits.get("THREAD_ITEMS")
    thread_id = getattr(request.params, "thread_id", None)
    if most is None or thread_id is None:
        return
    items = models.ThreadItem.objects.for_owner(context.owner)
    items = items.filter(thread_id=clean(thread_id)).order_by()
    # No more of them are read than matter. A limit may be any number, what a
    # database is asked for may not.
    if items[: min(most, MOST_ITEMS)].count() >= most:
        text = _("This chat is full. Begin a new one.")
        raise refused("THREAD_ITEMS", text)


def check_message(message: types.UserMessageInput, limits: Limits) -> None:
    """Refuse a message of too many parts, or of too much text."""
    parts = len(message.content) + len(message.attachments)
    most = limits.get("MESSAGE_PARTS")
    if most is not None and parts > most:
        text = ngettext(
            "A message has at most %(limit)d part.",
            "A message has at most %(limit)d parts.",
            most,
        )
        raise RequestRefused("message_parts", text % {"limit": most}, status=413)
    most = limits.get("MESSAGE_BYTES")
    if most is None:
        return
    size = sum(len(part.text.encode(errors="replace")) for part in message.content)
    size += len((message.quoted_text or "").encode(errors="replace"))
    if size > most:
        text = _("The message is too long: %(size)s bytes of at most %(limit)s.")
        words = text % {"size": size, "limit": most}
        raise RequestRefused("message_bytes", words, status=413)
