"""The runs of this process."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .live_run import LiveRun


class LiveRuns(dict[uuid.UUID, "LiveRun"]):
    """Runs by id, from their beginning to the end of their task."""

    def here(self, run_id: uuid.UUID) -> LiveRun | None:
        """Return a run of this event loop.

        One of another loop is as far away as one of another process: a view that is not
        asynchronous may have a loop of its own.
        """
        run = self.get(run_id)
        return run if run and run.loop is asyncio.get_running_loop() else None


LIVE = LiveRuns()
"""The runs of this process, of whichever event loop."""
