"""A check that refuses further writes of a run that was taken over."""

from __future__ import annotations

from .. import models
from ..exceptions import ClaimLost
from ..run_state import current_run


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
