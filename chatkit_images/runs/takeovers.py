"""What is done for all runs and all tenants: ending those whose process has died.

Of what a process has not told before it died, this tells as well.

Nothing here is for the event loop.
"""

from __future__ import annotations

import logging
import uuid
from functools import partial

from .. import models
from ..contexts import all_contexts, working_for
from . import releases, telling

logger = logging.getLogger(__name__)


def take_over_others(own: list[uuid.UUID]) -> None:
    """Take over the dead runs of all tenants, except those of this process.

    Ends of runs of which nobody has told in time are told.

    Raises:
        Exception: The first failure, when all tenants were tried.
    """
    first: Exception | None = None
    for context in all_contexts():
        for work in (partial(_take_over, own), telling.tell_again):
            try:
                with working_for(context):
                    work()
            except Exception as error:
                logger.warning("Dead runs, or their ends, are left", exc_info=True)
                first = first or error
    if first is not None:
        # The thread that does this then gives up a connection that has failed.
        raise first


def _take_over(own: list[uuid.UUID]) -> None:
    releases.take_over(models.Run.objects.exclude(pk__in=own))
