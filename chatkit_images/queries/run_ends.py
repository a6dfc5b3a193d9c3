"""The outbox of the ends of runs: written as a run ends, claimed by whoever tells.

All times by which processes claim a row are those of the database's clock.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from .. import models
from ..failures import Failure
from ..run_state import current_run, current_state
from ..times import Now
from . import failure_columns

End = models.RunEnd
# How long whoever has claimed an end may take to tell of it. If its process dies, the
# next one begins after that time.
LEASE = datetime.timedelta(seconds=120)
# Days for which an end stays that was given up, or for whose telling nobody is left.
KEPT_DAYS = 30
# Images of a run that its payload has, and figures of a usage.
MOST_IMAGES, MOST_FIGURES, LARGEST = 100, 50, 10**15
IMAGE_FIELDS = (
    *("id", "status", "reason", "error_code", "source", "model", "mime"),
    *("width", "height", "bytes", "usage", "cost"),
)


def note(run: models.Run) -> models.RunEnd:
    """Write the end of a run to the outbox, in the transaction that ends the run.

    It is claimed for this process.
    """
    rows = models.GeneratedImage.objects.filter(run_id=run.pk)
    images = list(rows.order_by("created_at", "pk").values(*IMAGE_FIELDS))
    context = run.context if isinstance(run.context, dict) else {}
    data = {
        "run_id": str(run.pk),
        "thread_id": run.thread_id,
        "owner": run.owner,
        "tenant": str(context.get("tenant") or ""),
        "operation": run.operation,
        "status": str(run.status),
        "reason": run.reason,
        "error_code": run.error_code,
        "model": run.model,
        "deleted": False,
        "created_at": _text_of(run.created_at),
        "finished_at": _text_of(run.finished_at),
        "usage": _figures(run.usage),
        "tool_usage": _figures(run.tool_usage),
        "cost": _text_of_cost(run.cost),
        "image_count": len(images),
        "images": [_image(each) for each in images[:MOST_IMAGES]],
    }
    return _write(run.pk, data)


def note_deleted(
    run_id: uuid.UUID, thread_id: str | None, status: str, failure: Failure | None
) -> models.RunEnd | None:
    """Write the end of a run whose row was deleted before it ended, with its thread.

    Returns:
        ``None`` if there never was such a run, if its row is still there, or if its end
        is known.
    """
    if models.Run.objects.filter(pk=run_id).exists():
        return None
    # The claim has written it, and it outlives the run.
    granted = models.UseEntry.objects.filter(run_id=run_id, kind=models.UseKind.RUN)
    entry = granted.order_by("pk").first()
    if entry is None or End.objects.filter(run_id=run_id).exists():
        return None
    state = current_state.get() if current_run.get() == run_id else None
    used = {} if state is None else state.usage
    why = failure_columns.of_run(failure)
    data = {
        "run_id": str(run_id),
        "thread_id": thread_id,
        "owner": entry.owner,
        "tenant": "",
        "operation": "",
        "status": status,
        "reason": why["reason"],
        "error_code": why["error_code"],
        "model": "",
        "deleted": True,
        "created_at": _text_of(entry.created_at),
        "finished_at": _text_of(timezone.now()),
        "usage": _figures(used.get("usage")),
        "tool_usage": _figures(used.get("tool_usage")),
        "cost": None,
        "image_count": 0,
        "images": [],
    }
    return _write(run_id, data)


def due(most: int) -> Iterator[models.RunEnd]:
    """Claim ends of which nobody has told in time, each as it is asked for.

    Args:
        most: How many at most; the oldest come first.
    """
    for end in list(waiting().order_by("due_at", "pk")[:most]):
        if waiting().filter(pk=end.pk).update(due_at=Now() + LEASE):
            yield end


def waiting() -> QuerySet[models.RunEnd]:
    """Return the ends of which nobody has told in time."""
    return End.objects.filter(due_at__lte=Now())


def told(run_id: uuid.UUID) -> None:
    """Take an end out of the outbox: all have been told of it."""
    End.objects.filter(run_id=run_id).delete()


def signalled(run_id: uuid.UUID) -> None:
    """Note that all but the webhook have been told, and that anybody may post it."""
    End.objects.filter(run_id=run_id).update(
        signalled_at=Coalesce("signalled_at", timezone.now()), due_at=Now()
    )


def failed(run_id: uuid.UUID, attempts: int, error: str, pause: float | None) -> None:
    """Note that the webhook has not taken an end.

    Args:
        run_id: The run.
        attempts: How often it was tried by now.
        error: Why the last one failed.
        pause: Seconds until the next; ``None`` if there is none.
    """
    at = None if pause is None else Now() + datetime.timedelta(seconds=pause)
    End.objects.filter(run_id=run_id).update(
        signalled_at=Coalesce("signalled_at", timezone.now()),
        attempts=attempts,
        error=error,
        due_at=at,
    )


def given_up() -> QuerySet[models.RunEnd]:
    """Return the ends that the webhook has not taken, and of which nobody tells."""
    return End.objects.filter(due_at=None)


def try_again() -> int:
    """Have the ends told again that were given up, and return how many there are."""
    return given_up().update(due_at=Now(), attempts=0)


def outdated() -> QuerySet[models.RunEnd]:
    """Return the ends that the sweep deletes."""
    old = timezone.now() - datetime.timedelta(days=KEPT_DAYS)
    return End.objects.filter(created_at__lt=old)


def _write(run_id: uuid.UUID, data: dict[str, Any]) -> models.RunEnd:
    payload = {"type": "run.finished", "timestamp": data["finished_at"], "data": data}
    return End.objects.create(run_id=run_id, payload=payload, due_at=Now() + LEASE)


def _image(row: dict[str, Any]) -> dict[str, Any]:
    cost, key = row.pop("cost"), row.pop("id")
    return {
        "id": f"{models.GeneratedImage.ID_PREFIX}{key.hex}",
        **row,
        "usage": _figures(row["usage"]),
        "cost": _text_of_cost(cost),
    }


def _text_of_cost(cost: Decimal | None) -> str | None:
    return None if cost is None else str(cost)


def _text_of(time: datetime.datetime | None) -> str | None:
    if time is None:
        return None
    # Without USE_TZ columns have local time.
    return time.astimezone(datetime.UTC).isoformat()


def _figures(usage: Any, depth: int = 2) -> dict[str, Any]:
    """Return the figures of a usage, in which a gateway may have sent anything."""
    figures: dict[str, Any] = {}
    for name, value in usage.items() if isinstance(usage, dict) else ():
        if len(figures) == MOST_FIGURES or len(str(name)) > 64:
            continue
        if isinstance(value, dict) and depth:
            figures[name] = _figures(value, depth - 1)
        # Neither truths nor what JSON has no number for.
        elif type(value) in (int, float) and abs(value) <= LARGEST:
            figures[name] = value
    return figures
