"""Who is told of the end of a run: receivers of ``run_finished``, then the webhook.

At least once: the end is in the outbox (``queries.run_ends``) until they are told. If
the process dies before, another process tells them. Nothing here is for the event loop.
"""

from __future__ import annotations

import json
import logging
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial

from django.db import DatabaseError, InterfaceError, connections

from .. import database, models, signals, transactions, webhooks
from ..conf import settings
from ..contexts import carried
from ..queries import run_ends

logger = logging.getLogger(__name__)
# Seconds before each further try of the webhook, in the mean: a bit more than a day.
PAUSES = (60, 300, 1800, 7200, 18_000, 36_000, 36_000)
# By so much a pause is longer or shorter, so that ends of one moment do not come back
# in one moment.
JITTER = 0.2
# Ends that are told again at a time where there is no webhook.
MOST = 100
# Seconds that a command takes to tell.
COMMAND_SECONDS = 60.0
# A post that begins later might go on when another process may begin.
LATEST = run_ends.LEASE.total_seconds() - 30


def tell(end: models.RunEnd, run: models.Run | None) -> None:
    """Tell of an end that this process has claimed. It does not wait for the webhook.

    Receivers that raise have been told; Django logs it.

    Args:
        end: The end.
        run: Its run; ``None`` if it was deleted. Then the webhook alone is told.
    """
    until = time.monotonic() + LATEST
    if run is not None and end.signalled_at is None:
        signals.run_finished.send_robust(models.Run, run=run)
    if not settings.WEBHOOK_URL:
        _note(partial(run_ends.told, end.run_id))
        return
    post = webhooks.Post(
        id=f"run_{end.run_id.hex}",
        # The same bytes each time; some databases keep no order.
        body=json.dumps(end.payload, ensure_ascii=False, sort_keys=True).encode(),
        until=until,
        then=partial(_after_post, carried(_mark), end.run_id, end.attempts),
    )
    if not webhooks.put(post):
        _note(partial(run_ends.signalled, end.run_id))


def tell_again() -> int:
    """Tell of the ends of which nobody has told in time, of the tenant of this code.

    Returns:
        How many ends this call has claimed, at most as many as may wait for the
        webhook.
    """
    count = 0
    most = webhooks.room() if settings.WEBHOOK_URL else MOST
    for end in run_ends.due(most):
        count += 1
        run = models.Run.objects.select_related("user").filter(pk=end.run_id).one()
        with nullcontext() if run is None else run.working():
            tell(end, run)
    return count


def tell_all(seconds: float = COMMAND_SECONDS) -> int:
    """Tell of the ends that are due, for so long at most, and wait for the webhook.

    For commands, whose process ends soon after. Servers tell of what is left.

    Args:
        seconds: For how long.

    Returns:
        How many ends this call has claimed.
    """
    last, count, found = time.monotonic() + seconds, 0, 1
    while found and time.monotonic() < last:
        found = tell_again()
        count += found
        webhooks.drain(max(0.0, last - time.monotonic()))
    return count


def _note(write: Callable[[], object]) -> None:
    """Write to the outbox. If that fails, the end is told again, which is allowed."""
    try:
        write()
    except (DatabaseError, InterfaceError):
        logger.warning("An end of a run will be told again", exc_info=True)
        # The run has ended, so no call that is tried again would give it up.
        connections[transactions.alias()].close_if_unusable_or_obsolete()


def _after_post(
    mark: Callable[[uuid.UUID, int, webhooks.Answer | None], None],
    run_id: uuid.UUID,
    attempts: int,
    answer: webhooks.Answer | None,
) -> Future[None]:
    return database.mark(partial(mark, run_id, attempts, answer))


def _mark(run_id: uuid.UUID, attempts: int, answer: webhooks.Answer | None) -> None:
    """Write to the outbox what the webhook has answered."""
    if answer is None:
        run_ends.signalled(run_id)
        return
    if not answer.error:
        run_ends.told(run_id)
        return
    attempts += 1
    pause = None if answer.gone else _pause_after(attempts, answer.pause)
    run_ends.failed(run_id, attempts, answer.error, pause)
    if pause is not None:
        logger.warning(
            "The webhook does not take the end of run %s, in try %s of %s: %s "
            "The next try is in %d seconds.",
            *(run_id, attempts, len(PAUSES) + 1, answer.error, pause),
        )
        return
    logger.error(
        "The webhook has not taken the end of run %s: %s It is not told again. "
        "There are %s such ends.",
        *(run_id, answer.error, run_ends.given_up().count()),
    )


def _pause_after(attempts: int, asked: float) -> float | None:
    """Return the seconds until the next try, or ``None`` if this was the last."""
    if attempts > len(PAUSES):
        return None
    pause = PAUSES[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(pause, asked)
