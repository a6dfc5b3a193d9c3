"""Rows of runs: claimed before anything else is written, released at the end."""

from __future__ import annotations

import os
import socket
import uuid

from chatkit import types
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from .. import models, signals
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..querysets import RunQuerySet
from ..rows import endings, payloads, threads


def worker_name() -> str:
    """Return host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def claim(
    run_id: uuid.UUID, request: types.StreamingReq, context: RequestContext
) -> models.Run:
    """Make the row of a run, which is the right to write to its thread.

    Raises:
        NotFoundError: If the owner has no such thread.
        RequestRefused: If the thread is locked, closed or busy.
    """
    thread_id: str | None = getattr(request.params, "thread_id", None)
    if thread_id is not None:
        check_open(threads.get(thread_id, context))
        take_over(models.Run.objects.filter(thread_id=thread_id))
    try:
        with transaction.atomic():
            return models.Run.objects.create(
                pk=run_id,
                thread_id=thread_id,
                owner=context.owner,
                user_id=context.user_id,
                operation=request.type,
                worker=worker_name(),
            )
    except IntegrityError:
        raise RequestRefused(
            "run_in_progress",
            _("An answer is still being written in this chat."),
            allow_retry=True,
        ) from None


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


def take_over(runs: RunQuerySet) -> int:
    """End those of the runs whose process has died, with their images.

    Returns:
        How many runs this call ended.
    """
    ended = 0
    for pk in list(runs.stale().values_list("pk", flat=True)):
        # Each by itself: another process may be doing the same.
        ended += release(pk, models.Run.Status.INTERRUPTED, "The server stopped.")
        endings.interrupt(models.GeneratedImage.objects.filter(run_id=pk))
    return ended


def attach(run_id: uuid.UUID, thread_id: str) -> None:
    """Link a run to the thread that it has made."""
    models.Run.objects.filter(pk=run_id).update(thread_id=thread_id)


def release(run_id: uuid.UUID, status: str, error: str = "") -> bool:
    """End the row of a run and tell who listens; ``False`` if it had ended."""
    rows = models.Run.objects.filter(pk=run_id)
    if not rows.finish(status, payloads.clean(error)):
        return False
    signals.run_finished.send_robust(models.Run, run=rows.select_related("user").get())
    return True
