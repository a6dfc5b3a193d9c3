"""Images that staff, or the project's check, keep from their person, and give back.

Each function takes keys of at most some hundred images, changes them in one
transaction, notes each change as a ``Decision``, and returns the keys of those that it
has changed. Called twice, it changes nothing the second time. From then on no door
shows the image: pages of history, streams, URLs, the model's input.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..times import Now
from ..transactions import atomic
from ..verdicts import SHOW, UNHEARD, Verdict
from . import aside, fence

Action = models.Decision.Action
Visibility = models.Visibility
WITHHELD = aside.WITHHELD
# Who decides if no account does.
CHECK, PROVIDER, PERSON = "check_image", "provider", "person"
# An image that staff have kept does not come back by a report until then. Whoever
# reports it again and again would fill the queue with it.
REPORTED_AGAIN = timedelta(days=1)
# As the columns have it.
MOST_WORDS, MOST_REASON = 500, 1000
_COLUMNS_OF: dict[str, dict[str, Any]] = {
    "show": {"visibility": Visibility.SHOWN},
    "hold": {
        "visibility": Visibility.HELD,
        "review_reason": models.ReviewReason.CHECK,
    },
    "block": {"visibility": Visibility.HIDDEN},
}
NOTHING_TO_REVIEW: dict[str, Any] = {"review_since": None, "review_reason": ""}


def hide(
    keys: Collection[uuid.UUID], by: Any, *, reason: str = "", words: str = ""
) -> list[uuid.UUID]:
    """Hide images: their person reads words in their place.

    Args:
        keys: The primary keys.
        by: The account that decides, or a name.
        reason: Why, for staff.
        words: What the person reads; empty for a standard sentence.
    """
    words = clean(words)[:MOST_WORDS]
    changed = ~Q(visibility=Visibility.HIDDEN) | ~Q(hidden_words=words)
    values = {"visibility": Visibility.HIDDEN, "hidden_words": words}
    return _decide(
        keys, changed, Action.HIDE, by, reason, words, values | NOTHING_TO_REVIEW
    )


def hold(
    keys: Collection[uuid.UUID], by: Any, *, reason: str = "", words: str = ""
) -> list[uuid.UUID]:
    """Keep images from their person until staff have looked at them; see ``hide``."""
    words = clean(words)[:MOST_WORDS]
    values = {
        "visibility": Visibility.HELD,
        "hidden_words": words,
        "review_since": timezone.now(),
        "review_reason": _reason_of(by),
    }
    changed = ~Q(visibility__in=WITHHELD)
    return _decide(keys, changed, Action.HOLD, by, reason, words, values)


def restore(
    keys: Collection[uuid.UUID], by: Any, *, reason: str = ""
) -> list[uuid.UUID]:
    """Show hidden and held images again; see ``hide``."""
    withheld = Q(visibility__in=WITHHELD)
    values = {"visibility": Visibility.SHOWN, "hidden_words": ""}
    return _decide(
        keys, withheld, Action.RESTORE, by, reason, "", values | NOTHING_TO_REVIEW
    )


def keep(keys: Collection[uuid.UUID], by: Any, *, reason: str = "") -> list[uuid.UUID]:
    """Note that images were looked at and may stay. Held ones are shown; see ``hide``.

    Hidden ones stay hidden.
    """
    waiting = Q(review_since__isnull=False)
    values = {"visibility": Visibility.SHOWN, "hidden_words": ""}
    with atomic():
        held = Q(visibility=Visibility.HELD)
        released = _decide(
            keys, held, Action.KEEP, by, reason, "", values | NOTHING_TO_REVIEW
        )
        kept = _decide(keys, waiting, Action.KEEP, by, reason, "", NOTHING_TO_REVIEW)
    return [*released, *kept]


def report(key: uuid.UUID, reason: str, context: RequestContext) -> None:
    """Ask staff to look at an image, for a person who has it.

    The person's words are feedback on the item that shows the image, and go with it.
    Without such an item nothing is kept of them but that there was a report. An image
    that staff have kept is looked at again a day after the report before.

    Args:
        key: The image.
        reason: What the person says about it.
        context: Who reports it.

    Raises:
        NotFoundError: If the image is not one that the person sees.
    """
    own = models.GeneratedImage.objects.for_owner(context.owner)
    image = own.select_related("item").filter(pk=key).one()
    if image is None or not image.is_shown:
        raise NotFoundError(f"Image {key} not found")
    said = clean(reason).strip()[:MOST_REASON]
    with fence.thread_first(image.thread_id), atomic():
        waiting = models.GeneratedImage.objects.filter(pk=key, review_since=None)
        recent = models.Decision.objects.filter(
            image_id=key, action=Action.REPORT, created_at__gt=Now() - REPORTED_AGAIN
        )
        if not recent.exists() and waiting.update(
            review_since=timezone.now(), review_reason=models.ReviewReason.REPORT
        ):
            note([image], Action.REPORT, PERSON)
        if image.item_id is not None:
            models.Feedback.objects.update_or_create(
                item_id=image.item_id,
                owner=context.person,
                defaults={
                    "thread_id": image.thread_id,
                    "user_id": context.user_id,
                    "kind": models.Feedback.Kind.NEGATIVE,
                    "reason": said,
                },
            )


def on_arrival(
    image: models.GeneratedImage, verdict: Verdict | None, remarks: Any
) -> dict[str, Any]:
    """Return the columns of an image whose final has come, and note why they change.

    What staff have decided while it was being generated stays, whatever the check says.

    Args:
        image: Its row, which is locked.
        verdict: What the project's check says; ``None`` if nobody has asked it.
        remarks: What the provider's moderation says of it.
    """
    if verdict is None and image.visibility == Visibility.UNCHECKED:
        verdict = UNHEARD
    columns: dict[str, Any] = {}
    decided = image.is_withheld
    if verdict is not None:
        columns = dict(_COLUMNS_OF[verdict.says])
    if verdict is not None and verdict.says != SHOW.says:
        words = clean(verdict.words)[:MOST_WORDS]
        columns["hidden_words"] = words
        action = Action.HOLD if verdict.says == "hold" else Action.HIDE
        note([image], action, CHECK, verdict.reason, words)
    elif remarks:
        note([image], Action.REMARK, PROVIDER)
        columns["review_reason"] = models.ReviewReason.REMARK
    if columns.get("review_reason"):
        columns["review_since"] = timezone.now()
    return {} if decided else columns


def note(
    images: Iterable[models.GeneratedImage],
    action: str,
    by: Any,
    reason: str = "",
    words: str = "",
) -> None:
    """Write down what was decided about images, which have their items."""
    is_account = not isinstance(by, str)
    models.Decision.objects.bulk_create(
        models.Decision(
            image_id=image.pk,
            thread_id=image.thread_id,
            item_id="" if image.item is None else image.item.item_id,
            action=action,
            reason=clean(reason),
            words=words,
            user=by if is_account else None,
            by=str(by.get_username() if is_account else by)[:255],
            # Processes that show the threads compare it with the database's clock.
            created_at=Now(),
        )
        for image in images
    )


def _decide(
    keys: Collection[uuid.UUID],
    which: Q,
    action: str,
    by: Any,
    reason: str,
    words: str,
    values: dict[str, Any],
) -> list[uuid.UUID]:
    rows = models.GeneratedImage.objects.filter(pk__in=list(keys)).order_by("pk")
    with atomic():
        # By their keys alone: MariaDB locks what it reads of an index, too, and in the
        # order of that index.
        list(rows.locked().values_list("pk", flat=True))
        changed = list(rows.filter(which).values_list("pk", flat=True))
        if changed:
            # It may have been shown since its file was moved.
            values = {**values, "is_aside": False}
            models.GeneratedImage.objects.filter(pk__in=changed).update(**values)
            if values.get("visibility") in WITHHELD:
                soon = partial(aside.move_soon, changed)
                transaction.on_commit(soon, using=rows.db)
            found = models.GeneratedImage.objects.filter(pk__in=changed)
            found = found.select_related("item").only("thread_id", "item__item_id")
            note(found, action, by, reason, words)
    return changed


def _reason_of(by: Any) -> str:
    if by == CHECK:
        return models.ReviewReason.CHECK
    return models.ReviewReason.STAFF
