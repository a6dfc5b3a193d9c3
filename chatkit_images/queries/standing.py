"""Whether the people behind runs and open streams still may chat.

They were admitted once. Staff may decide otherwise while a run or a stream goes on: a
user is switched off or deleted, an owner is blocked. Nothing here is for the event
loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import router

from .. import models
from ..context import RequestContext

Standing = tuple[Any, str, str]
"""A user's primary key, the own key of the person, and the owner."""


def of(context: RequestContext) -> Standing:
    """Return what tells whether a context's person still may chat."""
    return context.user_id, context.person, context.owner


def ended(contexts: Iterable[RequestContext]) -> dict[Standing, str]:
    """Return those who may not chat any more, with the words of staff, maybe empty.

    These are two queries, for however many contexts of one tenant: users may be in
    another database than blocks.
    """
    people = {of(context): context for context in contexts}
    if not people:
        return {}
    blocked = blocks(key for _pk, person, owner in people for key in (person, owner))
    # Who is admitted although they are switched off stays: the project has decided so.
    users = [
        context.user_id
        for context in people.values()
        if getattr(context.user, "is_active", False)
    ]
    active = active_users(set(users)) if users else set()
    gone = set(users) - active
    return {
        standing: blocked.get(owner) or blocked.get(person) or ""
        for standing in people
        for pk, person, owner in [standing]
        if pk in gone or owner in blocked or person in blocked
    }


def blocks(owners: Iterable[str]) -> dict[str, str]:
    """Return the blocked ones of some owners, with the words of staff."""
    rows = models.OwnerBlock.objects.filter(owner__in=set(owners))
    return dict(rows.values_list("owner", "words"))


def active_users(keys: Collection[Any]) -> set[Any]:
    """Return the primary keys of those users who are there and not switched off."""
    users = get_user_model()._default_manager
    # A replica may not know yet.
    rows = users.using(router.db_for_write(users.model)).filter(pk__in=keys).order_by()
    try:
        users.model._meta.get_field("is_active")
    except FieldDoesNotExist:
        # A project's own model may have a property, or nothing but Django's constant.
        return {user.pk for user in rows if user.is_active}
    return set(rows.filter(is_active=True).values_list("pk", flat=True))
