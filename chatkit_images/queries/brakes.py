"""What staff have stopped: everybody, or one owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet, Value
from django.utils.translation import gettext as _

from .. import models
from ..cleaning import clean
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..transactions import atomic


def check_stopped_by_staff(context: RequestContext) -> None:
    """Refuse what staff have stopped, with their words.

    Args:
        context: Who asks. The person may be blocked, or the owner.

    Raises:
        RequestRefused: If there is a block or a brake.
    """
    on = brakes_on().order_by().values_list(Value("generation_stopped"), "words")
    # Django 6.1 orders a union as its first part is by default.
    _check(_blocks(context).union(on).order_by())


def check_block(context: RequestContext) -> None:
    """Refuse a person or an owner who is blocked; a brake does not count.

    Raises:
        RequestRefused: If there is a block.
    """
    _check(_blocks(context))


def _blocks(context: RequestContext) -> QuerySet[Any, Any]:
    owners = {context.owner, context.person}
    rows = models.OwnerBlock.objects.filter(owner__in=owners).order_by()
    return rows.values_list(Value("owner_blocked"), "words")


def _check(found: QuerySet[Any, Any]) -> None:
    told = dict(found)
    if "owner_blocked" in told:
        words = told["owner_blocked"] or block_words()
        raise RequestRefused("owner_blocked", words, status=403)
    if told:
        words = told["generation_stopped"] or brake_words()
        # 503 would make clients repeat the request.
        raise RequestRefused("generation_stopped", words, status=429)


def brake_words() -> str:
    """Return what people read of a brake that has no words."""
    return _("No new answers are written at the moment. Please come back later.")


def block_words() -> str:
    """Return what a person reads of a block that has no words."""
    return _("You may not chat here any more.")


def words_of(brake: models.Brake | None) -> str:
    """Return what people read while a brake is on."""
    return (brake.words if brake is not None else "") or brake_words()


def brakes_on() -> QuerySet[models.Brake]:
    """Return the brakes that are on; without one, generation goes on."""
    return models.Brake.objects.filter(is_on=True)


@atomic()
def block(owners: Iterable[str], words: str, by: Any = None) -> list[models.OwnerBlock]:
    """Block owners: they get no new runs, and those that run end within seconds.

    Args:
        owners: Their isolation keys. Nothing changes for one who is blocked already.
        words: What they read.
        by: The user who blocks them.

    Returns:
        The rows that are made.
    """
    values = {"words": clean(words), "blocked_by": by}
    rows = models.OwnerBlock.objects
    made = [rows.get_or_create(owner=owner, defaults=values) for owner in owners]
    return [row for row, is_new in made if is_new]


@atomic()
def unblock(owners: Iterable[str]) -> list[models.OwnerBlock]:
    """Let owners chat again, and return the rows that are deleted by that."""
    found = list(models.OwnerBlock.objects.filter(owner__in=set(owners)))
    for row in found:
        models.OwnerBlock.objects.filter(pk=row.pk).delete()
    return found
