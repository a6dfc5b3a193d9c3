"""Legal holds: what neither retention nor an erasure nor a person deletes.

A hold is of an owner, with all that the owner has by then and later, or of one thread.
Whoever deletes asks again in the transaction that deletes, behind a lock that ``place``
waits for: of the thread, or, for what may be in none, of the owner's use. If it takes
both, that of the use comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Exists, Model, OuterRef, ProtectedError, Q
from django.utils.translation import gettext as _

from .. import models
from ..cleaning import clean
from ..exceptions import RequestRefused
from ..transactions import atomic
from . import use

# The code of a refusal to delete what is held.
ON_HOLD = "on_hold"
# Threads whose locks are asked for at once.
PAGE = 500


def place(
    *, owner: str = "", thread_id: str = "", reason: str = "", placed_by: str = ""
) -> tuple[models.LegalHold, bool]:
    """Hold an owner or a thread, and wait for deletions that had begun before.

    What is there when it returns stays, until the hold is released. Within a
    transaction of the caller's it counts from the commit on.

    Args:
        owner: The isolation key of the owner, or
        thread_id: the id of the thread.
        reason: Why, for staff.
        placed_by: Who says so, for staff.

    Returns:
        The hold, and whether it is new. One that was there before stays as it is.

    Raises:
        ValueError: If not one of owner and thread is given, or if there is no such
            thread.
    """
    checked(owner, thread_id)
    row, is_new = models.LegalHold.objects.get_or_create(
        owner=owner,
        thread_id=clean(thread_id),
        defaults={"reason": clean(reason), "placed_by": clean(placed_by)[:255]},
    )
    _wait_for_deletions(owner, thread_id)
    return row, is_new


def release(*, owner: str = "", thread_id: str = "") -> bool:
    """End the hold of an owner or a thread; ``False`` if there was none.

    Another hold may still keep the same rows.
    """
    rows = models.LegalHold.objects.filter(owner=owner, thread_id=clean(thread_id))
    return bool(rows.delete()[0])


def follow(owner: str, *, new: str = "", threads: Iterable[str] = ()) -> None:
    """Copy the hold of an owner whose rows get another one.

    Call it in the transaction that gives them away. The hold itself stays.

    Args:
        owner: Who has them by now, and is held.
        new: An owner who is held as well, or
        threads: those threads alone that are held from here on.
    """
    placed = models.LegalHold.objects.filter(owner=owner, thread_id="")
    said = placed.values("reason", "placed_by", "created_at").get()
    keys = [{"owner": "", "thread_id": key} for key in threads]
    for key in [{"owner": new, "thread_id": ""}] if new else keys:
        models.LegalHold.objects.get_or_create(**key, defaults=said)


def checked(owner: str, thread_id: str) -> None:
    """Refuse a hold of nothing, of two things, or of a thread that is not there.

    Raises:
        ValueError: With the reason.
    """
    if bool(owner) == bool(thread_id):
        raise ValueError("A hold is of an owner or of a thread: give one of them.")
    if thread_id and not models.Thread.objects.filter(pk=clean(thread_id)).exists():
        raise ValueError(f"There is no thread {thread_id!r}.")


def of(owner: str, thread_id: str | None = None) -> bool:
    """Whether an owner, or a thread of theirs, is held."""
    rows = models.LegalHold.objects.filter(owner=owner, thread_id="")
    if thread_id:
        rows |= models.LegalHold.objects.filter(owner="", thread_id=thread_id)
    return rows.exists()


def holding(thread: str = "pk", owner: str = "owner") -> Exists:
    """Return the condition of rows that are held.

    Args:
        thread: The path from a row to the id of its thread.
        owner: The path to the owner's key.
    """
    mine = Q(owner=OuterRef(owner), thread_id="")
    its = Q(owner="", thread_id=OuterRef(thread))
    return Exists(models.LegalHold.objects.filter(mine | its))


def held_threads(keys: Collection[Any]) -> set[str]:
    """Return those of some threads that are held, by themselves or by their owner."""
    rows = models.Thread.objects.filter(holding(), pk__in=keys).order_by()
    return set(rows.values_list("pk", flat=True))


def check_thread(thread: models.Thread) -> None:
    """Refuse to delete a thread that is held.

    Raises:
        RequestRefused: With the code ``on_hold``.
    """
    if of(thread.owner, thread.pk):
        text = _("This chat is kept and cannot be deleted at the moment.")
        raise RequestRefused(ON_HOLD, text)


def check_answer(thread: models.Thread) -> None:
    """Refuse to replace the answers of a thread that is held.

    Raises:
        RequestRefused: With the code ``on_hold``.
    """
    if of(thread.owner, thread.pk):
        text = _("This chat is kept, so no answer of it can be replaced at the moment.")
        raise RequestRefused(ON_HOLD, text)


def check_user(owner: str, name: str) -> None:
    """Lock what a user has who is about to be deleted, and refuse if it is held.

    Call it before anything else in the transaction.

    Args:
        owner: The user's own key.
        name: What to call the user.

    Raises:
        ProtectedError: If the user is held, or a thread of theirs.
    """
    use.hold(owner)
    mine = models.Thread.objects.for_owner(owner).order_by()
    found = models.LegalHold.objects.filter(
        Q(owner=owner) | Q(owner="", thread_id__in=mine.values("pk"))
    )
    held: set[Model] = set(found)
    if held:
        raise ProtectedError(f"A legal hold keeps what this {name} has.", held)


def lock_threads(keys: Collection[Any]) -> None:
    """Lock threads until the transaction ends, in the order in which all do."""
    # By their keys alone: MariaDB locks what it reads of an index too, and a deletion
    # that has the rows needs that.
    rows = models.Thread.objects.filter(pk__in=keys).order_by("pk")
    list(rows.locked().values_list("pk", flat=True))


def check_attachment(row: models.Attachment) -> None:
    """Refuse to delete a file that is held, or whose thread is.

    Raises:
        RequestRefused: With the code ``on_hold``.
    """
    if of(row.owner, row.thread_id):
        text = _("This file is kept and cannot be deleted at the moment.")
        raise RequestRefused(ON_HOLD, text)


def _wait_for_deletions(owner: str, thread_id: str) -> None:
    """Wait for transactions that have locked what they are about to delete.

    They may have asked for holds before this one was there.
    """
    threads = models.Thread.objects.for_owner(owner)
    if thread_id:
        threads = models.Thread.objects.filter(pk=thread_id)
    for holder in threads.values_list("owner", flat=True) if thread_id else [owner]:
        use.hold(holder)
    last = ""
    while True:
        rows = threads.filter(pk__gt=last).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:PAGE])
        if not keys:
            return
        last = keys[-1]
        with atomic():
            lock_threads(keys)
