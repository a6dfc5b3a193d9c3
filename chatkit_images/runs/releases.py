"""Claims that are released: by the run that has it, or in its place.

If the process of a run has died, another process takes the run over. Nothing here is
for the event loop.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import nullcontext

from .. import models
from ..failures import Failure
from ..queries import endings, failure_columns, pages, run_ends, use
from ..querysets import RunQuerySet
from ..run_state import current_run
from ..timing import Asked
from ..transactions import atomic
from . import telling
from .outcome import INTERRUPTED

logger = logging.getLogger(__name__)


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
    asked: Asked | None = None,
    thread_id: str | None = None,
) -> bool:
    """End the row of a run and tell of it; ``False`` if it had ended.

    If another process does so, it works for whom the run has worked, in their language.

    Args:
        run_id: The run.
        status: How the run ended.
        failure: Why it has no result.
        answered: Whether the run said anything. If not, it leaves no note, and a client
            that sends the same request again gets a new run.
        asked: Whom the run has asked, and where its time went.
        thread_id: Its thread, which the end of a run names whose row was deleted.
    """
    if current_run.get() == run_id:
        return _release(run_id, status, failure, answered, asked, thread_id)
    run = models.Run.objects.select_related("user").filter(pk=run_id).one()
    with nullcontext() if run is None else run.working():
        return _release(run_id, status, failure, answered, asked, thread_id)


def _release(
    run_id: uuid.UUID,
    status: str,
    failure: Failure | None,
    answered: bool,
    asked: Asked | None,
    thread_id: str | None,
) -> bool:
    # Images come first, because nothing checks the images of an ended run again.
    endings.end_images_of(run_id, status, failure)
    rows = models.Run.objects.filter(pk=run_id)
    if not answered:
        rows.update(idempotency_key=None, request_digest="")
        _delete_empty_thread(run_id)
    # Before the run ends, because nothing counts what an ended run has used.
    use.settle(run_id, ended=True)
    ended, run, end = _finish(run_id, status, failure, answered, asked, thread_id)
    if not ended:
        # Another process took the run over, and wrote texts in place of images. The run
        # may have received these images since.
        endings.show_late(models.GeneratedImage.objects.filter(run_id=run_id))
        use.settle(run_id, ended=True)
    if end is not None:
        telling.tell(end, run)
    return ended


@atomic()
def _finish(
    run_id: uuid.UUID,
    status: str,
    failure: Failure | None,
    answered: bool,
    asked: Asked | None,
    thread_id: str | None,
) -> tuple[bool, models.Run | None, models.RunEnd | None]:
    """End the row of a run, and leave the note of its answer in the same transaction.

    So there is a note if the thread is free, and no other run has written before it;
    and whoever wants to know of the end is told, whatever happens to this process.

    Returns:
        Whether this call has ended the run, its row, and of what others are to be told.
    """
    rows = models.Run.objects.filter(pk=run_id)
    key = next(iter(rows.values_list("thread", flat=True)), None)
    models.Thread.objects.locked().filter(pk=key).one()
    columns = asked.run_columns() if asked is not None else {}
    ended = rows.finish(status, **failure_columns.of_run(failure), **columns) > 0
    run = rows.select_related("thread__user", "user").one() if ended else None
    if run is None:
        end = run_ends.note_deleted(run_id, thread_id, status, failure)
        return ended, None, end
    if failure is not None and answered:
        endings.note(run)
    return True, run, run_ends.note(run)


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
