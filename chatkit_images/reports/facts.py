"""The facts of a run and of an image, as logs and traces have them.

There are no words of anybody in them, no URLs, no names of files, and of the owner a
digest only.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import salted_hmac
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .. import failures, models, timing
from ..run_state import current_context

Facts = dict[str, Any]
Time = datetime.datetime | None


@dataclass(frozen=True)
class Phase:
    """A part of the time that an image took.

    Attributes:
        name: Its key in the log.
        label: What it is.
        ms: How long it took, in milliseconds.
        within: Whether its time is not to be added to the others': it is a part of the
            phase before, or passes beside all of them.
    """

    name: str
    label: str | Promise
    ms: int
    within: bool = False


# In their order. Those within others are marked.
BEFORE = (
    ("claim_ms", _("waiting for the thread"), False),
    ("input_ms", _("preparing the input of the model"), False),
    ("read_ms", _("of which reading earlier images and files"), True),
    ("model_ms", _("waiting for the first event of the model"), False),
)
OF_IMAGES = (
    *BEFORE,
    ("begin_ms", _("the model, before it began to draw"), False),
    ("draw_ms", _("drawing"), False),
    ("decode_ms", _("decoding and checking"), False),
    ("store_ms", _("waiting for the storage"), False),
    ("upload_ms", _("the write itself, which begins while the image is checked"), True),
    ("save_ms", _("saving its row"), False),
    ("thumbnail_ms", _("its thumbnail, for which nobody waits"), True),
    ("database_wait_ms", _("waiting for the database, within the others"), True),
)
OF_RUNS = (
    *BEFORE,
    ("stream_ms", _("from its first event to its end"), False),
    ("decode_ms", _("decoding and checking, all images together"), True),
    ("store_ms", _("waiting for the storage, all images together"), True),
    ("database_wait_ms", _("waiting for the database, within the others"), True),
)


def owner_digest(owner: str) -> str:
    """Return what stands for an owner in logs, from which nobody can tell the owner.

    The same owner has the same digest as long as ``SECRET_KEY`` is the same.
    """
    salt = "chatkit_images.reports"
    return salted_hmac(salt, owner, algorithm="sha256").hexdigest()[:16]


def of_image(image: models.GeneratedImage) -> Facts:
    """Return the facts of an image that has ended."""
    return {
        "event": "image",
        "run_id": str(image.run_id or ""),
        "thread_id": image.thread_id,
        "image_id": image.image_id,
        **_shared(image),
        "owner": _owner(image),
        "source": str(image.source),
        "model": image.model,
        "chat_model": image.chat_model,
        "mime": image.mime,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "previews": image.partial_count,
        **_tokens("", image.usage),
        **timing.figures_of(image),
        **_times_of(image),
    }


def of_run(run: models.Run) -> Facts:
    """Return the facts of a run that has ended."""
    tools = run.tool_usage if isinstance(run.tool_usage, dict) else {}
    return {
        "event": "run",
        "run_id": str(run.pk),
        "thread_id": run.thread_id or "",
        **_shared(run),
        "owner": owner_digest(run.owner),
        "operation": run.operation,
        "model": run.model,
        "worker": run.worker,
        **_tokens("", run.usage),
        **_tokens("image_", tools.get("image_gen")),
        **timing.figures_of(run),
        **_times_of(run),
    }


def phases_of(row: models.GeneratedImage | models.Run) -> list[Phase]:
    """Return where the time of a run or an image went, in its order."""
    is_run = isinstance(row, models.Run)
    known = {**timing.figures_of(row), **_times_of(row)}
    return [
        Phase(name, label, known[name], within)
        for name, label, within in (OF_RUNS if is_run else OF_IMAGES)
        if isinstance(known.get(name), int)
    ]


def _shared(row: models.GeneratedImage | models.Run) -> Facts:
    return {
        "response_id": row.response_id,
        "request_id": row.request_id or failures.rows.text_of(row, "request_id"),
        "status": str(row.status),
        "reason": row.reason,
        "error_code": row.error_code,
        "provider": row.provider,
    }


def _owner(image: models.GeneratedImage) -> str:
    # Whoever ends an image mostly works for its owner; the thread is not read for it.
    here = current_context.get()
    return owner_digest(here.owner if here is not None else image.thread.owner)


def _times_of(row: models.GeneratedImage | models.Run) -> Facts:
    """Return what lies between the times in the columns of a row."""
    if isinstance(row, models.Run):
        return {
            "stream_ms": _between(row.first_event_at, row.finished_at),
            "total_ms": _between(row.created_at, row.finished_at),
        }
    image, ended = row, row.finished_at
    drawn = image.arrived_at or (None if image.stored_at else ended)
    return {
        "model_ms": _between(image.requested_at, image.first_event_at),
        "begin_ms": _between(image.first_event_at, image.created_at),
        "draw_ms": _between(image.created_at, drawn),
        "save_ms": _between(image.stored_at, ended),
        "total_ms": _between(image.requested_at or image.created_at, ended),
    }


def _between(start: Time, end: Time) -> int | None:
    if start is None or end is None:
        return None
    return max(0, round((end - start).total_seconds() * 1000))


def _tokens(prefix: str, usage: Any) -> Facts:
    """Return the sums of a usage; a gateway may have sent anything."""
    if not isinstance(usage, dict):
        usage = {}
    return {
        f"{prefix}{name}": value if isinstance(value := usage.get(name), int) else None
        for name in ("input_tokens", "output_tokens", "total_tokens")
    }
