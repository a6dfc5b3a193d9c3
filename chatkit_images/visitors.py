"""Visitors: people without a login, whose rows belong to their session."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

SESSION_KEY = "chatkit_images_owner"
VISITOR = "visitor:"
# Attribute of a session with a key that it does not keep so far.
UNKEPT = "_chatkit_images_unkept"


def visitor(session: SessionBase) -> str:
    """Return the isolation key of a visitor, which the session keeps from now on.

    It is not the session's key, which changes at login and gives access to the session.
    """
    begin(session, of(session))
    return str(session[SESSION_KEY])


def of(session: SessionBase) -> str:
    """Return the key of a visitor; of one who has none, the key for this request.

    Whoever only looks gets no session, which would be a row for each request.
    """
    if SESSION_KEY in session:
        return str(session[SESSION_KEY])
    if not hasattr(session, UNKEPT):
        setattr(session, UNKEPT, f"{VISITOR}{secrets.token_hex(16)}")
    return str(getattr(session, UNKEPT))


def begin(session: SessionBase, owner: str) -> None:
    """Keep the key of a visitor who has begun something."""
    if getattr(session, UNKEPT, None) == owner and SESSION_KEY not in session:
        session[SESSION_KEY] = owner


def is_visitor(owner: str) -> bool:
    """Whether an isolation key is a visitor's; a project may have keys of its own."""
    return owner.startswith(VISITOR)
