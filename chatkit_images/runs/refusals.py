"""Why a request gets no run of its own. Nothing here is for the event loop."""

from __future__ import annotations

from chatkit import types
from django.utils.translation import gettext as _

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..queries import holds, threads


def check_open(thread: models.Thread) -> None:
    """Refuse a thread that takes no changes, messages among them."""
    if thread.status == models.Thread.Status.ACTIVE:
        return
    default = (
        _("This chat is locked.")
        if thread.status == models.Thread.Status.LOCKED
        else _("This chat is closed.")
    )
    raise RequestRefused(f"thread_{thread.status}", thread.status_reason or default)


# What changes a thread and begins no run, whose claim would refuse it.
CHANGES = (
    types.ThreadsUpdateReq,
    types.ThreadsDeleteReq,
    types.ThreadsSyncCustomActionReq,
    types.ItemsFeedbackReq,
)


def check_changeable(request: types.ChatKitReq, context: RequestContext) -> None:
    """Refuse to change a thread that is locked or closed, or what is in it.

    Raises:
        NotFoundError: If the owner has no such thread.
        RequestRefused: If it takes no changes.
    """
    if isinstance(request, CHANGES):
        check_open(threads.get(request.params.thread_id, context))
    elif isinstance(request, types.AttachmentsDeleteReq):
        key = clean(request.params.attachment_id)
        rows = models.Attachment.objects.for_owner(context.owner)
        row = rows.select_related("thread").filter(pk=key).first()
        if row is not None and row.thread is not None:
            check_open(row.thread)


def check_kept(request: types.ChatKitReq, thread: models.Thread) -> None:
    """Refuse a retry, which deletes answers, in a thread that is held.

    Raises:
        RequestRefused: If it is held.
    """
    if isinstance(request, types.ThreadsRetryAfterItemReq):
        holds.check_answer(thread)


def busy() -> RequestRefused:
    """Return the refusal of a thread that is being answered."""
    return RequestRefused(
        "run_in_progress",
        _("An answer is still being written in this chat."),
        allow_retry=True,
    )
