"""Whose data it is that is exported, or who gets what is imported."""

from __future__ import annotations

from typing import Any

from ..context import RequestContext
from ..contexts import checked, context_class


def context_of(user: Any = None, owner: str = "") -> RequestContext:
    """Return the context of a person's own rows.

    Args:
        user: A user, whose own key it is if there is no other owner.
        owner: The isolation key of a visitor, a team or a client.

    Raises:
        ValueError: If there is neither, or the owner is none.
    """
    cls = context_class()
    return checked(cls.for_owner(owner or (cls.own_key(user) if user else ""), user))
