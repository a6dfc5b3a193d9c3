"""What happens by itself: files follow their rows, threads follow their person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import models as db
from django.db import transaction
from django.db.models.signals import post_delete

from . import models
from .context import SESSION_KEY, owner_of
from .signals import run_finished

FILES = {
    models.GeneratedImage: ("file", "thumbnail"),
    models.PartialImage: ("file",),
    models.Attachment: ("file", "thumbnail"),
}


def connect() -> None:
    """Connect the handlers; called once, by the app's ``ready()``."""
    for model in FILES:
        post_delete.connect(
            delete_files, sender=model, dispatch_uid=f"chatkit_images.{model.__name__}"
        )
    user_logged_in.connect(claim_threads, dispatch_uid="chatkit_images.claim")
    run_finished.connect(hand_over_after_run, dispatch_uid="chatkit_images.hand_over")


def delete_files(
    sender: type[db.Model], instance: db.Model, using: str, **kwargs: Any
) -> None:
    """Delete the files of a deleted row, once it is gone for good."""
    names = [getattr(instance, field).name for field in FILES[sender]]
    models.DeletedFile.objects.using(using).discard(names)


def claim_threads(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Hand what a visitor did in this session over to the user who logs in."""
    session = getattr(request, "session", None)
    owner = session.pop(SESSION_KEY, None) if session is not None else None
    if owner is None:
        return
    with transaction.atomic():
        busy = models.Run.objects.for_owner(owner).running()
        # Their threads follow when they end: a run writes as the visitor it began as.
        waiting = list(busy.exclude(thread=None).values_list("thread_id", flat=True))
        busy.update(user=user)
        hand_over(owner, user, waiting)


def hand_over_after_run(sender: Any, run: models.Run, **kwargs: Any) -> None:
    """Hand the thread of a run over to who logged in while it went on."""
    if run.user is not None and run.owner != owner_of(run.user):
        with transaction.atomic():
            hand_over(run.owner, run.user, [])


def hand_over(owner: str, user: Any, waiting: list[str]) -> None:
    """Make what is one owner's a user's, but for some threads and what is theirs."""
    values = {"owner": owner_of(user), "user": user}
    models.Thread.objects.for_owner(owner).exclude(pk__in=waiting).update(**values)
    for model in (models.Attachment, models.Feedback, models.Run):
        theirs = model.objects.for_owner(owner).filter(thread__in=waiting)
        model.objects.for_owner(owner).exclude(
            pk__in=list(theirs.values_list("pk", flat=True))
        ).update(**values)
