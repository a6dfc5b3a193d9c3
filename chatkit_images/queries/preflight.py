"""Checks before a request writes anything.

The SDK finds most of this inside the stream, when the status is sent and half of the
request is written.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from typing import Any

import pybase64
from chatkit import types
from django.utils.translation import gettext as _

from .. import models
from ..context import RequestContext
from ..exceptions import NotFoundError, RequestRefused
from . import attachments, threads, uploads

# More than a person picks; a database takes a few hundred thousand.
MAX_IDS = 1000
# More files than anybody attaches to one message. Each is a row to read at each turn.
MAX_ATTACHMENTS = 100
# Ids that a column takes.
MAX_ID_LENGTH = 255
AUDIO = re.compile(r"audio/[\w.+-]+", re.ASCII)


def needs_database(request: types.ChatKitReq) -> bool:
    """Whether ``check`` needs a query. If not, it may be called on the event loop."""
    if isinstance(request, types.ThreadsCreateReq):
        return bool(request.params.input.attachments)
    return True


def check(request: types.ChatKitReq, context: RequestContext) -> list[str]:
    """Refuse a request that names rows that the owner does not have.

    Returns:
        The ids of its files that were written past the app, at which nobody has looked.

    Raises:
        NotFoundError: If a thread, an item or an attachment is not the owner's.
        RequestRefused: If one of them is not in a state for it, or if the person may
            not delete it.
    """
    params = request.params
    check_ids(_ids(params))
    if isinstance(request, types.ThreadsCreateReq):
        return _check_message(request.params.input, None, context)
    if isinstance(request, types.InputTranscribeReq):
        _check_audio(request.params)
    elif isinstance(request, types.AttachmentsDeleteReq):
        # The SDK has the attachment store delete the bytes before the row is asked for.
        attachments.deletable(request.params.attachment_id, context)
    if not hasattr(params, "thread_id"):
        return []
    thread = threads.get(params.thread_id, context)
    if isinstance(request, types.ThreadsAddUserMessageReq):
        return _check_message(request.params.input, thread, context)
    if isinstance(request, types.ThreadsRetryAfterItemReq):
        _check_item(thread, request.params.item_id, "user_message")
    elif isinstance(
        request,
        types.ThreadsAddStructuredInputReq | types.ThreadsAddClientToolOutputReq,
    ):
        check_waiting(request, context)
    elif (
        isinstance(
            request, types.ThreadsCustomActionReq | types.ThreadsSyncCustomActionReq
        )
        and request.params.item_id
    ):
        _check_item(thread, request.params.item_id, "widget")
    return []


def check_waiting(request: types.ChatKitReq, context: RequestContext) -> None:
    """Refuse an input or a tool's output for which nothing in the thread waits.

    Raises:
        NotFoundError: If the thread or the item is not the owner's.
        RequestRefused: If it was answered before.
    """
    if isinstance(request, types.ThreadsAddStructuredInputReq):
        thread = threads.get(request.params.thread_id, context)
        row = _check_item(thread, request.params.item_id, "structured_input")
        if row.payload.get("status") != "pending":
            raise RequestRefused("already_answered", _("This was answered before."))
    elif isinstance(request, types.ThreadsAddClientToolOutputReq):
        _check_tool_call(threads.get(request.params.thread_id, context))


def check_ids(ids: Sequence[str]) -> None:
    """Refuse ids that a database cannot look up.

    Raises:
        NotFoundError: If an id has a NUL, which PostgreSQL refuses, or is too long.
        RequestRefused: If the ids are too many for one query.
    """
    if len(ids) > MAX_IDS:
        raise RequestRefused(
            "too_many", _("That is too much for one request."), status=400
        )
    if any("\x00" in key for key in ids):
        raise NotFoundError("No id has a NUL.")
    if any(len(key) > MAX_ID_LENGTH for key in ids):
        raise NotFoundError("No id is that long.")


def _ids(params: Any) -> list[str]:
    """Return every id that a request names."""
    names = ("thread_id", "item_id", "attachment_id", "after")
    ids = [key for name in names if (key := getattr(params, name, None)) is not None]
    ids += getattr(params, "item_ids", ())
    return ids + getattr(getattr(params, "input", None), "attachments", [])


def _check_audio(params: types.InputTranscribeParams) -> None:
    if not AUDIO.fullmatch(params.mime_type.partition(";")[0]):
        raise RequestRefused(
            "unsupported_type", _("Files of this type are not accepted."), status=415
        )
    try:
        data = pybase64.b64decode(params.audio_base64, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise RequestRefused("invalid_audio", _("This is no sound."), status=400)


def _check_message(
    message: types.UserMessageInput,
    thread: models.Thread | None,
    context: RequestContext,
) -> list[str]:
    if not message.attachments and not any(
        part.text.strip() for part in message.content
    ):
        raise RequestRefused("empty_message", _("Write a message first."), status=400)
    if not message.attachments:
        return []
    if len(message.attachments) > MAX_ATTACHMENTS:
        raise RequestRefused(
            "too_many", _("That is too much for one request."), status=400
        )
    rows = {
        row.pk: row
        for row in models.Attachment.objects.for_owner(context.owner).filter(
            pk__in=message.attachments
        )
    }
    for key in message.attachments:
        if key not in rows:
            raise NotFoundError(f"Attachment {key} not found")
        if rows[key].awaits_upload and not rows[key].upload:
            raise uploads.not_there()
        if rows[key].thread_id not in (None, thread and thread.pk):
            raise RequestRefused(
                "attachment_in_use", _("A file belongs to another chat.")
            )
    return [key for key, row in rows.items() if row.awaits_upload]


def _check_item(
    thread: models.Thread, item_id: str, item_type: str
) -> models.ThreadItem:
    row: models.ThreadItem | None = thread.items.filter(item_id=item_id).first()
    if row is None:
        raise NotFoundError(f"Item {item_id} not found in thread {thread.pk}")
    if row.type != item_type:
        raise RequestRefused(
            "wrong_item", f"Item {item_id} is not a {item_type}.", status=400
        )
    return row


def _check_tool_call(thread: models.Thread) -> None:
    row = thread.items.order_by("-created_at", "-pk").first()
    if (
        row is None
        or row.type != "client_tool_call"
        or row.payload.get("status") != "pending"
    ):
        raise RequestRefused("no_tool_call", "No tool call waits for its output.")
