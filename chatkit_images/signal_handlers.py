"""What happens by itself: files follow their rows, threads follow their person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import models as db
from django.db import transaction
from django.db.models.signals import post_delete

from . import models
from .context import SESSION_KEY, VISITOR, is_visitor, owner_of
from .models.files import file_columns
from .querysets import RunQuerySet
from .signals import run_finished


def connect() -> None:
    """Connect the handlers; called once, by the app's ``ready()``."""
    for model in file_columns():
        post_delete.connect(
            delete_files, sender=model, dispatch_uid=f"chatkit_images.{model.__name__}"
        )
    user_logged_in.connect(claim_threads, dispatch_uid="chatkit_images.claim")
    run_finished.connect(hand_over_after_run, dispatch_uid="chatkit_images.hand_over")


def delete_files(
    sender: type[db.Model], instance: db.Model, using: str, **kwargs: Any
) -> None:
    """Delete the files of a deleted row, once it is gone for good."""
    names = [getattr(instance, field).name for field in file_columns()[sender]]
    models.DeletedFile.objects.using(using).schedule(names)


def claim_threads(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Hand what a visitor did in this session over to the user who logs in."""
    session = getattr(request, "session", None)
    owner = session.pop(SESSION_KEY, None) if session is not None else None
    if owner is None:
        return
    with transaction.atomic():
        hand_over(owner, user)


def hand_over_after_run(sender: Any, run: models.Run, **kwargs: Any) -> None:
    """Hand the thread of a run over to who logged in while it went on."""
    if run.user is not None and is_visitor(run.owner):
        with transaction.atomic():
            hand_over(run.owner, run.user)


def left_behind() -> RunQuerySet:
    """Return the ended runs of visitors who are users by now.

    The process has died, or the database was away, when they were to be handed over.
    """
    ended = models.Run.objects.exclude(status=models.Run.Status.RUNNING)
    return ended.filter(owner__startswith=VISITOR, user__isnull=False)


def hand_over_again() -> int:
    """Hand over what was left behind, and return of how many runs."""
    runs = list(left_behind().select_related("user"))
    for run in runs:
        hand_over_after_run(models.Run, run)
    return len(runs)


def _keys(runs: RunQuerySet) -> Any:
    keyed = runs.exclude(idempotency_key=None)
    return keyed.values_list("idempotency_key", flat=True)


def hand_over(owner: str, user: Any) -> None:
    """Make what is one owner's a user's, but for what a run is at work on.

    A run writes as the owner it began as. What it holds follows when it ends.
    """
    runs = models.Run.objects.for_owner(owner)
    # This comes first: it locks the runs, which then neither end nor get a thread.
    busy = runs.running().update(user=user)
    threads = models.Thread.objects.for_owner(owner).exclude(
        pk__in=runs.running().exclude(thread=None).values("thread")
    )
    # A run makes its thread before it is linked to it.
    starting = runs.running().filter(thread=None)
    began = starting.aggregate(first=db.Min("created_at"))["first"]
    if began is not None:
        threads = threads.filter(created_at__lt=began)
    values = {"owner": owner_of(user), "user": user}
    threads.update(**values)
    gone = db.Q(thread__owner=owner_of(user))
    models.Feedback.objects.for_owner(owner).filter(gone).update(**values)
    ended = runs.exclude(status=models.Run.Status.RUNNING)
    ended = ended.filter(gone | db.Q(thread=None))
    # A client whose session had ended may have sent the same request as both.
    asked = list(_keys(ended))
    taken = _keys(models.Run.objects.for_user(user).filter(idempotency_key__in=asked))
    ended.filter(idempotency_key__in=list(taken)).update(idempotency_key=None)
    ended.update(**values)
    # A file without a thread may be one that a run is about to put in its thread.
    files = gone if busy else gone | db.Q(thread=None)
    models.Attachment.objects.for_owner(owner).filter(files).update(**values)
