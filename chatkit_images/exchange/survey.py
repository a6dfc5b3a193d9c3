"""How much of a person's an export takes, and how much it leaves out."""

from __future__ import annotations

from django.db.models import Count, Q, Sum

from .. import models
from ..context import RequestContext
from ..queries.items import HIDDEN_TYPES

Status = models.GeneratedImage.Status


def survey(context: RequestContext) -> dict[str, int]:
    """Return how many rows of each kind a person has, and the bytes of their files."""
    owner = context.owner
    images = models.GeneratedImage.objects.for_owner(owner)
    images = images.exclude(status__in=(Status.BLOCKED, Status.GENERATING))
    images = images.exclude(file="")
    attachments = models.Attachment.objects.for_owner(owner).filter(awaits_upload=False)
    drawn = images.order_by().aggregate(count=Count("pk"), bytes=Sum("bytes"))
    sent = attachments.order_by().aggregate(count=Count("pk"), bytes=Sum("bytes"))
    items = models.ThreadItem.objects.for_owner(owner)
    return {
        "threads": models.Thread.objects.for_owner(owner).count(),
        "items": items.exclude(type__in=HIDDEN_TYPES).count(),
        "images": drawn["count"],
        "attachments": sent["count"],
        "bytes": (drawn["bytes"] or 0) + (sent["bytes"] or 0),
    }


def left_out(context: RequestContext, *, internal: bool) -> dict[str, int]:
    """Return how much of each kind an export leaves out on purpose."""
    owner = context.owner
    images = models.GeneratedImage.objects.for_owner(owner)
    counts = {
        "bytes_of_blocked_images": images.filter(status=Status.BLOCKED).count(),
        "unfinished_images": images.filter(status=Status.GENERATING).count(),
    }
    if not internal:
        hidden = Q(type__in=HIDDEN_TYPES)
        feedback = models.Feedback.objects.for_owner(owner)
        counts |= {
            "hidden_items": models.ThreadItem.objects.for_owner(owner)
            .filter(hidden)
            .count(),
            "feedback_of_others": feedback.exclude(owner=context.person).count(),
        }
    if context.user is not None:
        begun = models.Thread.objects.filter(user=context.user_id)
        counts["threads_of_teams"] = begun.exclude(owner=owner).count()
    return counts
