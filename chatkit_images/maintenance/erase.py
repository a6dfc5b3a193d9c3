"""The erasure of a person, with a receipt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.utils import translation
from django.utils.translation import gettext as _

from .. import models, storage
from ..conf import settings
from ..contexts import working_context
from ..queries import brakes, holds, owners, use
from ..runs import releases, stopping
from . import erasure_counts, erasure_others
from .deleted_names import DeletedNames
from .erasure_rows import Erasure
from .receipts import Receipt, digest_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

# Seconds between two looks at runs that are about to end.
PAUSE = 0.2
# How often what was written behind the erasure is looked for.
PASSES = 5


class ErasureFailed(Exception):
    """Not all could be erased; the message says what to do."""


def erase(
    owner: str,
    *,
    user: AbstractBaseUser | None = None,
    dry_run: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> Receipt:
    """Erase all that an owner has, rows and files, and return a receipt.

    The owner is blocked meanwhile, and running runs are ended first, so that nothing is
    written behind it. Rows go in short transactions, beside a live site. If it is
    interrupted, the owner stays blocked; call it again, and it goes on. What belongs to
    a team or another owner stays, without the user. Not for the event loop.

    Args:
        owner: The isolation key: ``RequestContext.own_key(user)`` for a user.
        user: The user whose own key it is. Default: whom the owner's rows name.
        dry_run: Count only.
        progress: Is called with what is counted, and how much of it there is so far.

    Raises:
        ErasureFailed: If a run of the owner does not end.
        Exception: The database's own.
    """
    context = working_context()
    tenant = "" if context is None else context.tenant
    receipt = Receipt(digest_of(owner, tenant), tenant, dry_run)
    if holds.of(owner):
        receipt.held = True
        receipt.leave("all of it", "A legal hold keeps what this owner has.")
        return receipt.end()
    user = user or owners.user_of(owner)
    if dry_run:
        receipt.add(*erasure_counts.count(owner))
        entries = models.UseEntry.objects.for_owner(owner).count()
        _note_use(receipt, entries)
        _note_held(owner, user, receipt)
        return receipt.end()
    erasure = Erasure(owner, receipt, progress or (lambda what, count: None))
    _keep_out(owner)
    _end_runs(owner, user)
    for _pass in range(PASSES):
        if not erasure.rows():
            receipt.is_complete = True
            break
    left = 0 if user is None else erasure.leave_teams(user)
    # Behind all that locks the use of the owner, as a lock is a row with their key.
    _note_use(receipt, erasure.use())
    if left:
        why = "It belongs to a team or another owner, and does not name the user now."
        receipt.leave("rows of others", why, left)
    if not erasure.logs_dropped:
        why = "Redis did not answer. It forgets them RUN_LOG_SECONDS after their run."
        receipt.leave("shared logs of runs", why)
    _delete_files(receipt, erasure.files)
    # At the end, as others may have been placed meanwhile.
    _note_held(owner, user, receipt)
    _let_in(owner, user is not None, receipt)
    return receipt.end()


def _note_held(owner: str, user: AbstractBaseUser | None, receipt: Receipt) -> None:
    if holds.of(owner):
        receipt.held = True
        why = "A legal hold that was placed meanwhile keeps it."
        receipt.leave("all that is left", why)
        return
    held = models.Thread.objects.for_owner(owner).filter(holds.holding()).count()
    if held:
        receipt.held = True
        why = "A legal hold keeps them, with all that is in them."
        receipt.leave("threads", why, held)
    if elsewhere := erasure_others.held(owner, user):
        receipt.held = True
        why = "A legal hold keeps them, and they name this owner."
        receipt.leave("held rows of others", why, elsewhere)


def _note_use(receipt: Receipt, count: int) -> None:
    if count:
        why = "Sums of limits and bills need them. They do not say whose they were."
        receipt.leave("entries of use", why, count)


def _words() -> str:
    """Return what the person reads meanwhile: always the same, to know the block by."""
    with translation.override(django_settings.LANGUAGE_CODE):
        return _("What you have here is being erased. Please come back later.")


def _keep_out(owner: str) -> None:
    """Block the owner, unless staff have done so."""
    brakes.block([owner], _words())
    # Whoever was granted something before that has it by now.
    use.hold(owner)


def _end_runs(owner: str, user: AbstractBaseUser | None) -> None:
    """End the running runs, and wait until they have ended.

    Raises:
        ErasureFailed: If one does not.
    """
    runs = models.Run.objects.for_owner(owner)
    if user is not None:
        # Those in a team end, too, as their person is blocked.
        runs |= models.Run.objects.filter(user=user.pk)
    deadline = time.monotonic() + 2 * settings.RUN_STALE_SECONDS + 10
    asked = 0.0
    while runs.running().exists():
        now = time.monotonic()
        if now > deadline:
            raise ErasureFailed(
                "A run of this owner does not end. See chatkit_images_recover, and "
                "call the erasure again; the owner is blocked until then."
            )
        if now - asked >= 1:
            asked = now
            # Dead ones are taken over, others end within a second.
            stopping.stop_by_staff(runs, _words())
            releases.take_over(runs)
        time.sleep(PAUSE)


def _delete_files(receipt: Receipt, files: DeletedNames) -> None:
    """Delete the files of the deleted rows, and count those that are left."""
    storage.drain()
    noted = models.DeletedFile.objects.due()
    last = noted.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return
    mine = noted.filter(pk__lte=last)
    try:
        mine.delete_files()
    except Exception:
        # Each is in the log, and stays noted.
        receipt.files_left, others = files.left(last)
        receipt.is_complete = receipt.is_complete and not receipt.files_left
        why = "A storage has not deleted them; see the log. The sweep tries again."
        if receipt.files_left:
            receipt.leave("files", why, receipt.files_left)
        if others:
            why = f"{why} They were to be deleted before, or are of others."
            receipt.leave("other files", why, others)


def _let_in(owner: str, has_user: bool, receipt: Receipt) -> None:
    """Take the block away, unless staff have placed it and there is a user still."""
    blocks = models.OwnerBlock.objects.for_owner(owner)
    if (own := blocks.filter(words=_words(), blocked_by=None)).exists():
        own.delete()
    elif has_user and blocks.exists():
        why = "Staff have blocked the owner. It goes with the user, or when staff say."
        receipt.leave("block", why, 1)
    else:
        receipt.add({"blocks": blocks.delete()[0]})
