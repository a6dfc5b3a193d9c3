"""One line of the table of endings: what is known of a failure, and where."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client

from chatkit_images.models import GeneratedImage, Run

from .person import Turn

HEAD = (
    "channel",
    "image",
    "run",
    "code",
    "status",
    "retry",
    "wait",
    "admin finds",
    "words",
)
#: Filters of the admin: what they are called here, the list, and how it is asked for.
FILTERS = {
    "moderation": ("generatedimage", "moderated=yes"),
    "image": ("generatedimage", "reason={reason}"),
    "run": ("run", "reason={reason}"),
}


def row(name: str, turn: Turn) -> list[str]:
    """Return the cells of a channel, in the order of ``HEAD``."""
    image = GeneratedImage.objects.exclude(status="completed").first()
    run = Run.objects.order_by("created_at").first()
    assert run is not None
    reason = run.reason or (image.reason if image else "")
    failure = run.failure or (image.failure if image else None) or {}
    notes = [text for text in turn.said if not text.startswith(("Here", "Half", "I "))]
    return [
        name,
        f"{image.status}: {image.reason or '-'}" if image else "-",
        f"{run.status}: {run.reason or '-'}",
        run.error_code or (image.error_code if image else "") or "-",
        str(failure.get("status") or "-"),
        {True: "yes", False: "no", None: "-"}[turn.may_retry],
        str(failure.get("retry_after") or "-"),
        " ".join(found(reason)) or "-",
        " / ".join(dict.fromkeys(notes)) or "-",
    ]


def found(reason: str) -> list[str]:
    """Return the filters of the admin that find a row."""
    staff, made = User.objects.get_or_create(
        username="staff", is_staff=True, is_superuser=True
    )
    client = Client()
    client.force_login(staff)
    names = []
    for name, (model, query) in FILTERS.items():
        url = f"/admin/chatkit_images/{model}/?{query.format(reason=reason)}"
        response = client.get(url)
        # A query that no filter knows leads to the list of all.
        known = bool(reason) and response.status_code == 200
        if known and response.context["cl"].result_count:
            names.append(name)
    return names
