"""A run that was taken over writes nothing more."""

from __future__ import annotations

from .. import models
from ..exceptions import ClaimLost
from ..run_state import current_run


def check() -> None:
    """Keep the claim of the run that is executing to the end of the transaction.

    Its thread is locked before, as by who deletes it, so that two do not wait for each
    other.

    A process that was stopped for longer than ``RUN_STALE_SECONDS`` goes on as if
    nothing had happened, and its thread may be answered by another one.

    Raises:
        ClaimLost: If the run has been ended. One that is not there is no run's, or its
            thread was deleted.
    """
    run_id = current_run.get()
    if run_id is None:
        return
    rows = models.Run.objects.locked().filter(pk=run_id).order_by()
    status = next(iter(rows.values_list("status", flat=True)), None)
    if status not in (None, models.Run.Status.RUNNING):
        raise ClaimLost(f"Run {run_id} was taken over.")
