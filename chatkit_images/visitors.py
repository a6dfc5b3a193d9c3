"""Visitors: people without a login, whose rows belong to their session."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

SESSION_KEY = "chatkit_images_owner"
VISITOR = "visitor:"


def visitor(session: SessionBase) -> str:
    """Return the isolation key of a visitor, made at the first call.

    It is not the session's key, which changes at login and gives access to the session.
    """
    if SESSION_KEY not in session:
        session[SESSION_KEY] = f"{VISITOR}{secrets.token_hex(16)}"
    return str(session[SESSION_KEY])


def is_visitor(owner: str) -> bool:
    """Whether an isolation key is a visitor's; a project may have keys of its own."""
    return owner.startswith(VISITOR)
