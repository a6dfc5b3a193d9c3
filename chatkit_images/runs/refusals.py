"""Why a request gets no run of its own. Nothing here is for the event loop."""

from __future__ import annotations

from django.utils.translation import gettext as _

from .. import models
from ..exceptions import RequestRefused


def check_open(thread: models.Thread) -> None:
    """Refuse a thread that takes no messages."""
    if thread.status == models.Thread.Status.ACTIVE:
        return
    default = (
        _("This chat is locked.")
        if thread.status == models.Thread.Status.LOCKED
        else _("This chat is closed.")
    )
    raise RequestRefused(f"thread_{thread.status}", thread.status_reason or default)


def busy() -> RequestRefused:
    """Return the refusal of a thread that is being answered."""
    return RequestRefused(
        "run_in_progress",
        _("An answer is still being written in this chat."),
        allow_retry=True,
    )
