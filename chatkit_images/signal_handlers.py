"""What happens by itself: files follow their rows, threads follow their person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import models as db
from django.db import transaction
from django.db.models.signals import post_delete

from . import models
from .context import SESSION_KEY, owner_of

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
        for model in (models.Thread, models.Attachment, models.Feedback, models.Run):
            model.objects.for_owner(owner).update(owner=owner_of(user), user=user)
