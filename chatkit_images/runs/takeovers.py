"""What is done for all runs and all tenants: ending those whose process has died.

Nothing here is for the event loop.
"""

from __future__ import annotations

import logging
import uuid

from .. import models
from ..contexts import all_contexts, working_for
from . import releases

logger = logging.getLogger(__name__)


def take_over_others(own: list[uuid.UUID]) -> None:
    """Take over the dead runs of all tenants, except those of this process.

    Raises:
        Exception: The first failure, when all tenants were tried.
    """
    first: Exception | None = None
    for context in all_contexts():
        try:
            with working_for(context):
                releases.take_over(models.Run.objects.exclude(pk__in=own))
        except Exception as error:
            logger.warning("Dead runs are left", exc_info=True)
            first = first or error
    if first is not None:
        # The thread that does this then gives up a connection that has failed.
        raise first
