"""Signal handlers: files are deleted with their rows, threads follow a login."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.db import models as db
from django.db.models.signals import post_delete, pre_delete

from . import models
from .context import SESSION_KEY, VISITOR, is_visitor
from .contexts import context_class
from .deleted_files import Deletion, file_columns
from .exceptions import NotFoundError, RequestRefused
from .models.files import WithStorage
from .queries import holds, in_pages, use
from .querysets import RunQuerySet
from .signals import run_finished
from .transactions import atomic

# The key in a run's context that says where its rows go when it has ended.
NEXT_OWNER = "next_owner"
# How a project says that somebody may not chat.
REFUSALS = (PermissionDenied, RequestRefused, NotFoundError)


def connect() -> None:
    """Connect the handlers; called once, by the app's ``ready()``."""
    for model in file_columns():
        uid = f"chatkit_images.{model.__name__}"
        pre_delete.connect(expect_files, sender=model, dispatch_uid=uid)
        post_delete.connect(delete_files, sender=model, dispatch_uid=uid)
    # A proxy of the project's users is a sender of its own.
    for user in apps.get_models():
        if issubclass(user, get_user_model()):
            uid = f"chatkit_images.{user._meta.label}"
            pre_delete.connect(hold_use, sender=user, dispatch_uid=uid)
            post_delete.connect(forget_use, sender=user, dispatch_uid=uid)
    user_logged_in.connect(move_at_login, dispatch_uid="chatkit_images.move_at_login")
    run_finished.connect(move_after_run, dispatch_uid="chatkit_images.move_to_user")


def expect_files(
    sender: type[db.Model], instance: WithStorage, origin: Any = None, **kwargs: Any
) -> None:
    """Take a row whose files go with those of the others of its deletion."""
    Deletion.expect(origin, instance)


def delete_files(
    sender: type[db.Model],
    instance: WithStorage,
    using: str,
    origin: Any = None,
    **kwargs: Any,
) -> None:
    """Delete the files of deleted rows after the commit."""
    gone = Deletion.take(origin, instance, instance.blobs())
    models.DeletedFile.objects.using(using).schedule(gone)


def hold_use(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Lock what a user has used before anything of the user is deleted.

    Whoever grants something locks it before rows that point at the user. A hold that
    was placed since Django has collected the rows is seen behind the lock.
    """
    holds.check_user(context_class().own_key(instance), instance._meta.verbose_name)


def forget_use(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Keep what a deleted user has used, but not who it was."""
    key = context_class().own_key(instance)
    use.forget(key)
    models.OwnerBlock.objects.for_owner(key).delete()


def move_at_login(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Move the threads of a visitor to the owner that the user's requests have."""
    session = getattr(request, "session", None)
    if session is None or (owner := session.get(SESSION_KEY)) is None:
        return
    try:
        new = context_class().get_owner(user, request)
    except REFUSALS:
        # They may log in, but not chat. What they did waits for a login with which they
        # may.
        return
    with atomic():
        move_to_user(owner, user, new)
    session.pop(SESSION_KEY)


def move_after_run(sender: Any, run: models.Run, **kwargs: Any) -> None:
    """Move the thread of a run to the user, if its visitor has logged in meanwhile."""
    if run.user is None or not is_visitor(run.owner):
        return
    noted = (run.context or {}).get(NEXT_OWNER)
    try:
        new = noted or context_class().get_owner(run.user)
    except REFUSALS:
        return  # It waits, and must not keep others from their turn.
    with atomic():
        move_to_user(run.owner, run.user, new)


def left_behind() -> RunQuerySet:
    """Return the ended runs of visitors who have logged in since.

    They were not moved because the process died or the database was away.
    """
    ended = models.Run.objects.exclude(status=models.Run.Status.RUNNING)
    return ended.filter(owner__startswith=VISITOR, user__isnull=False)


def move_again() -> int:
    """Move the runs of ``left_behind``, and return how many they were."""
    count = 0
    for page in in_pages.pages_of(left_behind().select_related("user")):
        for run in page:
            move_after_run(models.Run, run)
            count += 1
    return count


def _keys(runs: RunQuerySet) -> Any:
    keyed = runs.exclude(idempotency_key=None)
    return keyed.values_list("idempotency_key", flat=True)


def move_to_user(owner: str, user: Any, new: str) -> None:
    """Give a visitor's rows to a user, except those of running runs.

    A run writes as the owner for whom it began. Its rows follow when it ends. A hold of
    the visitor goes along. Of a team it keeps the threads alone that come to it; what
    no hold of a thread keeps, such as files that were not sent, stays the visitor's.

    Args:
        owner: The visitor's key.
        user: Who has logged in.
        new: The owner that the user's requests have.
    """
    person = context_class().own_key(user)
    held = holds.of(owner)
    apart = held and new != person
    if not apart:
        use.move(owner, new)
    if held and not apart:
        holds.follow(owner, new=new)
    runs = models.Run.objects.for_owner(owner)
    # This comes first, because it locks the runs: they neither end nor get a thread.
    busy = runs.running().update(user=user)
    for run in runs.running() if busy else ():
        # A visitor has few. The request of the login may have said which team it is.
        run.context = (run.context or {}) | {NEXT_OWNER: new}
        run.save(update_fields=["context"])
    threads = models.Thread.objects.for_owner(owner).exclude(
        pk__in=runs.running().exclude(thread=None).values("thread")
    )
    # A run may make its thread before its row names the thread.
    starting = runs.running().filter(thread=None)
    began = starting.aggregate(first=db.Min("created_at"))["first"]
    if began is not None:
        threads = threads.filter(created_at__lt=began)
    values = {"owner": new, "user": user}
    if apart:
        holds.follow(owner, threads=list(threads.values_list("pk", flat=True)))
    threads.update(**values)
    gone = db.Q(thread__owner=new)
    thumbs = models.Feedback.objects.filter(gone, owner=owner)
    thumbs.update(owner=person, user=user)
    ended = runs.exclude(status=models.Run.Status.RUNNING)
    if apart:
        # So that nobody tries again to move them.
        ended.filter(thread=None, user=user).update(user=None)
    ended = ended.filter(gone if apart else gone | db.Q(thread=None))
    # A client may have sent the same request as a visitor and as a user.
    asked = list(_keys(ended))
    taken = _keys(models.Run.objects.for_owner(new).filter(idempotency_key__in=asked))
    ended.filter(idempotency_key__in=list(taken)).update(idempotency_key=None)
    ended.update(**values)
    # A running run may be about to put a file without a thread into its thread.
    files = gone if busy or apart else gone | db.Q(thread=None)
    models.Attachment.objects.for_owner(owner).filter(files).update(**values)
