"""A check that refuses further writes of a run that was taken over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import models
from ..exceptions import ClaimLost
from ..run_state import current_run
from ..transactions import atomic, features


@contextmanager
def thread_first(thread_id: str) -> Iterator[None]:
    """Insert rows within that point at a thread and at another row of it.

    MariaDB and MySQL lock the rows that a new row points at, in an order of their own.
    Writers lock the thread first, so this does it there too: otherwise two of them
    would deadlock.
    """
    known = features()
    if not known.has_select_for_update or known.has_select_for_no_key_update:
        yield
        return
    with atomic():
        models.Thread.objects.locked().filter(pk=thread_id).one()
        yield


def check() -> None:
    """Refuse to write if the run that is executing has lost its claim.

    The row of the run is locked, so it keeps its claim until the transaction ends.

    Lock the thread first. A transaction that deletes the thread locks it first too, so
    the two cannot deadlock.

    A process that was stopped for longer than ``RUN_STALE_SECONDS`` goes on as if
    nothing had happened, while another run may answer in its thread.

    Raises:
        ClaimLost: If the run has already ended. A missing row is no error: the code
            runs outside of a run, or its thread was deleted.
    """
    run_id = current_run.get()
    if run_id is None:
        return
    rows = models.Run.objects.locked().filter(pk=run_id).order_by()
    status = next(iter(rows.values_list("status", flat=True)), None)
    if status not in (None, models.Run.Status.RUNNING):
        raise ClaimLost(f"Run {run_id} was taken over.")
