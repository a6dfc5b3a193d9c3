"""Rows of runs: claimed before anything else is written, released at the end.

A claim is the right to write to a thread. The run that has it releases it when it ends.
If the process of a run has died, another process takes the run over: it releases the
claim in its place. Nothing here is for the event loop.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from contextlib import nullcontext

from chatkit import types
from django.db import IntegrityError

from .. import models, signals
from ..context import RequestContext
from ..failures import Failure
from ..queries import (
    endings,
    failure_columns,
    pages,
    preflight,
    requested,
    threads,
)
from ..querysets import RunQuerySet
from ..run_state import current_run
from ..times import Now
from ..transactions import atomic, features
from .outcome import INTERRUPTED
from .refusals import busy, check_open, check_replay

logger = logging.getLogger(__name__)


def worker_name() -> str:
    """Return host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def claim(
    run_id: uuid.UUID,
    request: types.StreamingReq,
    context: RequestContext,
    idempotency_key: str | None = None,
    made: types.ThreadMetadata | None = None,
    choice: types.InferenceOptions | None = None,
) -> models.Run:
    """Make the row of a run, which is the right to write to its thread.

    Args:
        run_id: The id of the run.
        request: What the run answers.
        context: Who asked.
        idempotency_key: The key of the request.
        made: A thread to make with the run.
        choice: What the person has chosen in the composer.

    Returns:
        The run, with its thread. The run has none yet if none was given, or if the id
        of ``made`` is taken: ``threads.save`` links a thread to the run that saves it.

    Raises:
        NotFoundError: If the owner has no such thread.
        Replayed: If a run was made with the same idempotency key.
        RequestRefused: If the thread is locked, closed or busy, or if the input that
            the request brings was answered meanwhile.
    """
    check_replay(context, idempotency_key)
    thread_id: str | None = getattr(request.params, "thread_id", None)
    if thread_id is not None:
        check_open(threads.get(thread_id, context))
        take_over(models.Run.objects.filter(thread_id=thread_id))
    try:
        with atomic():
            _lock_thread(thread_id)
            if made is not None:
                threads.insert(made, context)
            run = models.Run.objects.create(
                pk=run_id,
                thread_id=made.id if made else thread_id,
                owner=context.owner,
                user_id=context.user_id,
                context=context.to_row(),
                operation=request.type,
                worker=worker_name(),
                heartbeat_at=Now(),
                idempotency_key=idempotency_key,
                **requested.columns(choice),
            )
            # From now on only this run writes to the thread. Others may have written
            # after the check of the request, so it is checked again.
            preflight.check_waiting(request, context)
            return run
    except IntegrityError:
        # There were two claims at once, and the other one was first.
        check_replay(context, idempotency_key)
        if made is not None:
            # The project's own id for the thread is taken. ``save`` finds out by whom.
            return claim(run_id, request, context, idempotency_key, choice=choice)
        if thread_id is None:
            raise  # Nobody else has anything of it: its row is not valid.
        raise busy() from None


def _lock_thread(thread_id: str | None) -> None:
    """Lock a thread on databases that have no constraint against a second run.

    Raises:
        RequestRefused: If it has a run.

    Source: "Conditional unique constraints" are not supported by MySQL, MariaDB and
    Oracle; Django's check ``models.W036`` says so.
    """
    if thread_id is None or features().supports_partial_indexes:
        return
    models.Thread.objects.locked().filter(pk=thread_id).one()
    if models.Run.objects.running().filter(thread_id=thread_id).exists():
        raise busy()


def take_over(runs: RunQuerySet) -> int:
    """End the runs whose process has died, with their images.

    Returns:
        How many runs this call ended.
    """
    return interrupt(runs.stale())


def interrupt(runs: RunQuerySet) -> int:
    """End the runs that have not ended, as if their process had died.

    Returns:
        How many runs this call ended.

    Raises:
        Exception: The first failure, when all runs were tried.
    """
    ended = 0
    first: Exception | None = None
    for pk in list(runs.running().values_list("pk", flat=True)):
        # Each in transactions of its own, because another process may do the same.
        try:
            ended += release(pk, INTERRUPTED.status, INTERRUPTED.failure)
        except Exception as error:
            logger.warning("Run %s is not ended", pk, exc_info=True)
            first = first or error
    if first is not None:
        raise first
    return ended


def find(rows: RunQuerySet) -> models.Run | None:
    """Take dead runs over, and return the one that is running, if any."""
    take_over(rows)
    return rows.running().first()


def release(
    run_id: uuid.UUID,
    status: str,
    failure: Failure | None = None,
    *,
    answered: bool = True,
) -> bool:
    """End the row of a run and send ``run_finished``; ``False`` if it had ended.

    If another process does so, it works for whom the run has worked, in their language.

    Args:
        run_id: The run.
        status: How the run ended.
        failure: Why it has no result.
        answered: Whether the run said anything. If not, it leaves no note, and a client
            that sends the same request again gets a new run.
    """
    if current_run.get() == run_id:
        return _release(run_id, status, failure, answered)
    run = models.Run.objects.select_related("user").filter(pk=run_id).one()
    with nullcontext() if run is None else run.working():
        return _release(run_id, status, failure, answered)


def _release(
    run_id: uuid.UUID, status: str, failure: Failure | None, answered: bool
) -> bool:
    # Images come first, because nothing checks the images of an ended run again.
    endings.end_images_of(run_id, status, failure)
    rows = models.Run.objects.filter(pk=run_id)
    if not answered:
        rows.update(idempotency_key=None)
        _delete_empty_thread(run_id)
    if not _finish(run_id, status, failure, answered):
        # Another process took the run over, and wrote texts in place of images. The run
        # may have received these images since.
        endings.show_late(models.GeneratedImage.objects.filter(run_id=run_id))
        return False
    run = rows.select_related("user").one()
    if run is not None:  # Otherwise its thread was deleted in this moment.
        signals.run_finished.send_robust(models.Run, run=run)
    return True


@atomic()
def _finish(
    run_id: uuid.UUID, status: str, failure: Failure | None, answered: bool
) -> bool:
    """End the row of a run, and leave the note of its answer in the same transaction.

    So there is a note if the thread is free, and no other run has written before it.
    """
    rows = models.Run.objects.filter(pk=run_id)
    thread_id = next(iter(rows.values_list("thread", flat=True)), None)
    models.Thread.objects.locked().filter(pk=thread_id).one()
    if not rows.finish(status, **failure_columns.of_run(failure)):
        return False
    run = rows.select_related("thread__user").one()
    if run is not None and failure is not None and answered:
        endings.note(run)
    return True


@atomic()
def _delete_empty_thread(run_id: uuid.UUID) -> None:
    """Delete the thread that the claim of a run has made, if nothing is in it."""
    begun = models.Thread.objects.filter(runs=run_id, runs__operation="threads.create")
    key = begun.values_list("pk", flat=True).first()
    thread = models.Thread.objects.select_for_update().filter(pk=key).one()
    if thread is None or thread.items.exists():
        return
    # Unlinked first, as the row of the run would be deleted with its thread.
    models.Run.objects.filter(pk=run_id).update(thread=None)
    pages.bury(thread.owner, [(thread.pk, thread.pk, thread.created_at)])
    thread.delete()
