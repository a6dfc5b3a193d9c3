"""Rows of runs: claimed before anything else is written, released at the end."""

from __future__ import annotations

import logging
import os
import socket
import uuid

from chatkit import types
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from .. import models, signals
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..queries import endings, pages, preflight, threads
from ..querysets import RunQuerySet

logger = logging.getLogger(__name__)


def worker_name() -> str:
    """Return host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Replayed(Exception):
    """The same request was sent before; ``run`` is the one that answers it."""

    def __init__(self, run: models.Run) -> None:
        super().__init__(str(run.pk))
        self.run = run


def claim(
    run_id: uuid.UUID,
    request: types.StreamingReq,
    context: RequestContext,
    idempotency_key: str | None = None,
    made: types.ThreadMetadata | None = None,
) -> models.Run:
    """Make the row of a run, which is the right to write to its thread.

    Args:
        run_id: Its id.
        request: What it answers.
        context: Who asked.
        idempotency_key: That of the request.
        made: A thread to make with it.

    Returns:
        The run, with its thread. It has none if none was given, or if there is one of
        the id of ``made``: until somebody saves it.

    Raises:
        NotFoundError: If the owner has no such thread.
        Replayed: If a run was made with the same idempotency key.
        RequestRefused: If the thread is locked, closed or busy, or has got by now the
            answer that the request brings.
    """
    check_replay(context, idempotency_key)
    thread_id: str | None = getattr(request.params, "thread_id", None)
    if thread_id is not None:
        check_open(threads.get(thread_id, context))
        take_over(models.Run.objects.filter(thread_id=thread_id))
    try:
        with transaction.atomic():
            _keep_out_others(thread_id)
            if made is not None:
                threads.insert(made, context)
            run = models.Run.objects.create(
                pk=run_id,
                thread_id=made.id if made else thread_id,
                owner=context.owner,
                user_id=context.user_id,
                operation=request.type,
                worker=worker_name(),
                heartbeat_at=Now(),
                idempotency_key=idempotency_key,
            )
            # Now nobody else writes to the thread: somebody may have since the check.
            preflight.check_waiting(request, context)
            return run
    except IntegrityError:
        # Two at once: the other one was first.
        check_replay(context, idempotency_key)
        if made is not None:
            # A project's own id, which may be there. Whose it is, ``save`` will find.
            return claim(run_id, request, context, idempotency_key)
        raise busy() from None


def busy() -> RequestRefused:
    """Return the refusal of a thread that is being answered."""
    return RequestRefused(
        "run_in_progress",
        _("An answer is still being written in this chat."),
        allow_retry=True,
    )


def _keep_out_others(thread_id: str | None) -> None:
    """Lock a thread, on databases that cannot keep two runs from it by a constraint.

    Source: "Conditional unique constraints" are not supported by MySQL, MariaDB and
    Oracle; Django's check ``models.W036`` says so.
    """
    if thread_id is None or connection.features.supports_partial_indexes:
        return
    models.Thread.objects.locked().filter(pk=thread_id).one()
    if models.Run.objects.running().filter(thread_id=thread_id).exists():
        raise busy()


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
    return interrupt(runs.stale())


def interrupt(runs: RunQuerySet) -> int:
    """End those of the runs that go on, as if their process had died, and count.

    Raises:
        Exception: The first, when all were tried.
    """
    ended = 0
    first: Exception | None = None
    for pk in list(runs.running().values_list("pk", flat=True)):
        # Each by itself: another process may be doing the same.
        try:
            ended += release(pk, models.Run.Status.INTERRUPTED, "The server stopped.")
        except Exception as error:
            logger.warning("Run %s is not ended", pk, exc_info=True)
            first = first or error
    if first is not None:
        raise first
    return ended


def check_replay(context: RequestContext, idempotency_key: str | None) -> None:
    """Look for a run that answers this request already.

    Raises:
        Replayed: If there is one.
    """
    if idempotency_key is not None:
        rows = models.Run.objects.for_owner(context.owner)
        run = rows.filter(idempotency_key=idempotency_key).first()
        if run is not None:
            raise Replayed(run)


def find(rows: RunQuerySet) -> models.Run | None:
    """Return the run of those that is going on, when dead ones are out of the way."""
    take_over(rows)
    return rows.running().first()


def request_stop(rows: RunQuerySet) -> list[uuid.UUID]:
    """Ask for the end of those of the runs that go on, and return which."""
    take_over(rows)
    keys = list(rows.running().values_list("pk", flat=True))
    rows.request_stop()
    return keys


def release(
    run_id: uuid.UUID, status: str, error: str = "", *, answered: bool = True
) -> bool:
    """End the row of a run and tell who listens; ``False`` if it had ended.

    Args:
        run_id: The run.
        status: How it ended.
        error: Why, for staff.
        answered: Whether it said anything. If not, the same request begins anew.
    """
    # First: a run that has ended is not looked at again.
    endings.close(run_id, status)
    rows = models.Run.objects.filter(pk=run_id)
    if not answered:
        rows.update(idempotency_key=None)
        _unmake(run_id)
    if not rows.finish(status, clean(error)):
        # Somebody took it for dead, and may have told of images that it has got since.
        endings.show_late(models.GeneratedImage.objects.filter(run_id=run_id))
        return False
    run = rows.select_related("user").one()
    if run is not None:  # Else its thread was deleted in this moment.
        signals.run_finished.send_robust(models.Run, run=run)
    return True


@transaction.atomic
def _unmake(run_id: uuid.UUID) -> None:
    """Delete the thread that a run was to begin, if nothing was said in it."""
    begun = models.Thread.objects.filter(runs=run_id, runs__operation="threads.create")
    key = begun.values_list("pk", flat=True).first()
    thread = models.Thread.objects.select_for_update().filter(pk=key).one()
    if thread is None or thread.items.exists():
        return
    # Else it would go with its thread.
    models.Run.objects.filter(pk=run_id).update(thread=None)
    pages.bury(thread.owner, [(thread.pk, thread.pk, thread.created_at)])
    thread.delete()
