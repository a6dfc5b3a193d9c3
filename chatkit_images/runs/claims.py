"""Rows of runs, claimed before anything else is written. Not for the event loop.

A claim is the right to write to a thread; see ``releases`` for its end.
"""

from __future__ import annotations

import os
import socket
import uuid

from chatkit import types
from django.db import IntegrityError

from .. import models
from ..conf import Limits
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..queries import limits as limit_checks
from ..queries import message_limits, preflight, requested, threads, use
from ..queries.counted_limits import address_of
from ..times import Now
from ..transactions import atomic, features
from .log import seals
from .refusals import busy, check_kept, check_open
from .releases import take_over
from .repeats import check_repetition, request_digest


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
    limits: Limits | None = None,
) -> models.Run:
    """Make the row of a run, which is the right to write to its thread.

    Args:
        run_id: The id of the run.
        request: What the run answers.
        context: Who asked.
        idempotency_key: The key of the request.
        made: A thread to make with the run.
        choice: What the person has chosen in the composer.
        limits: What the person may use. Default: what the settings say.

    Returns:
        The run, with its thread. The run has none yet if none was given, or if the id
        of ``made`` is taken: ``threads.save`` links a thread to the run that saves it.

    Raises:
        NotFoundError: If the owner has no such thread.
        Repeated: If a run answers the same request already.
        RequestRefused: If the thread is locked, closed, held or busy, if nothing is
            left of what the person may use, if the input that the request brings was
            answered meanwhile, or if the key is that of another request.
    """
    if limits is None:
        limits = limit_checks.by_settings(context)
    thread_id: str | None = getattr(request.params, "thread_id", None)
    thread = None if thread_id is None else threads.get(thread_id, context)
    if thread is not None:
        # A dead run answers nothing, so nobody waits for it.
        take_over(models.Run.objects.filter(thread_id=thread_id))
    check_repetition(request, context, idempotency_key)
    message_limits.check(request, limits, context)
    if thread is not None:
        check_open(thread)
        check_kept(request, thread)
    try:
        limit_checks.look_run(context, limits)
        with atomic():
            limit_checks.check_run(context, limits)
            use.grant_run(run_id, context.owner, address_of(context))
            if _is_taken(thread_id):
                check_repetition(request, context, idempotency_key)
                raise busy()
            if made is not None:
                threads.insert(made, context)
            run = models.Run.objects.create(
                pk=run_id,
                thread_id=made.id if made else thread_id,
                owner=context.owner,
                user_id=context.user_id,
                context=context.to_row() | seals.NOTE,
                operation=request.type,
                worker=worker_name(),
                heartbeat_at=Now(),
                idempotency_key=idempotency_key,
                request_digest=request_digest(request),
                **requested.columns(choice),
            )
            # From now on only this run writes to the thread. Others may have written
            # after the check of the request, so it is checked again.
            preflight.check_waiting(request, context)
            return run
    except RequestRefused as refusal:
        # Among the owner's runs may be some whose process has died.
        mine = models.Run.objects.for_owner(context.owner)
        if refusal.code != limit_checks.TOO_MANY_RUNS or not take_over(mine):
            raise
        return claim(run_id, request, context, idempotency_key, made, choice, limits)
    except IntegrityError:
        # There were two claims at once, and the other one was first.
        check_repetition(request, context, idempotency_key)
        if made is not None:
            # The project's own id for the thread is taken. ``save`` finds out by whom.
            return claim(
                run_id, request, context, idempotency_key, None, choice, limits
            )
        if thread_id is None:
            raise  # Nobody else has anything of it: its row is not valid.
        raise busy() from None


def _is_taken(thread_id: str | None) -> bool:
    """Lock a thread on databases that have no constraint against a second run.

    Returns:
        Whether it has a run.

    Source: "Conditional unique constraints" are not supported by MySQL, MariaDB and
    Oracle; Django's check ``models.W036`` says so.
    """
    if thread_id is None or features().supports_partial_indexes:
        return False
    models.Thread.objects.locked().filter(pk=thread_id).one()
    return models.Run.objects.running().filter(thread_id=thread_id).exists()
