"""Rows of feedback."""

from __future__ import annotations

from django.utils import timezone

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..transactions import atomic, features
from . import fence, threads


@atomic()
def save(
    thread_id: str, item_ids: list[str], kind: str, context: RequestContext
) -> None:
    """Keep the person's latest word on each item, all or none.

    Raises:
        NotFoundError: If the owner's thread lacks one of the items.
    """
    thread = threads.get(thread_id, context)
    rows = list(thread.items.filter(item_id__in=map(clean, item_ids)))
    if missing := set(item_ids) - {row.item_id for row in rows}:
        raise NotFoundError(f"Item {min(missing)} not found in thread {thread_id}")
    # MySQL and MariaDB look at every unique key, of which there is one but the id.
    named = features().supports_update_conflicts_with_target
    with fence.thread_first(thread.pk):
        models.Feedback.objects.bulk_create(
            [
                models.Feedback(
                    item=row,
                    thread=thread,
                    owner=context.person,
                    user_id=context.user_id,
                    kind=kind,
                    updated_at=timezone.now(),
                )
                for row in rows
            ],
            update_conflicts=True,
            unique_fields=["item", "owner"] if named else None,
            update_fields=["kind", "updated_at"],
        )
