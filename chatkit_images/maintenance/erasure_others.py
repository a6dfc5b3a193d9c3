"""Rows of teams and other owners that name a person."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from .. import models
from ..queries import holds

# The paths from the rows that name a user to the thread and to the owner.
PATHS: dict[type[Any], tuple[str, str]] = {
    models.Thread: ("pk", "owner"),
    models.Attachment: ("thread", "owner"),
    models.Run: ("thread", "owner"),
    models.Feedback: ("thread", "thread__owner"),
}


def naming(model: type[Any], owner: str, user: Any) -> QuerySet[Any]:
    """Return the rows of others that name a user."""
    rows: QuerySet[Any] = model._default_manager.filter(user=user)
    return rows.exclude(owner=owner)


def held(owner: str, user: Any) -> int:
    """Return how many rows of others name a person and are held.

    Args:
        owner: The person's key: thumbs have it.
        user: The user; ``None`` if there is none.
    """
    count = 0
    for model, (thread, path) in PATHS.items():
        named = Q(pk=None) if user is None else Q(user=user)
        if model is models.Feedback:
            named |= Q(owner=owner)
        rows = model._default_manager.filter(named, holds.holding(thread, path))
        count += rows.exclude(**{path: owner}).count()
    return count
