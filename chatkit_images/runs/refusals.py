"""Why a request gets no run of its own. Nothing here is for the event loop."""

from __future__ import annotations

from django.utils.translation import gettext as _

from .. import models
from ..context import RequestContext
from ..exceptions import RequestRefused


class Replayed(Exception):
    """The same request was sent before; ``run`` is the one that answers it."""

    def __init__(self, run: models.Run) -> None:
        super().__init__(str(run.pk))
        self.run = run


def check_replay(context: RequestContext, idempotency_key: str | None) -> None:
    """Check whether a run answers this request already.

    Raises:
        Replayed: If there is one.
    """
    if idempotency_key is not None:
        rows = models.Run.objects.for_owner(context.owner)
        run = rows.filter(idempotency_key=idempotency_key).first()
        if run is not None:
            raise Replayed(run)


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
