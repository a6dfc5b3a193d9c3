"""Options of commands that are about one person."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db.models import Q

from ..cleaning import is_clean
from ..contexts import OWNER_LENGTH, context_class
from ..queries import owners


def add_person(parser: CommandParser) -> None:
    """Add ``--user`` and ``--owner``."""
    parser.add_argument("--user", help="The user, by user name or primary key.")
    parser.add_argument(
        "--owner",
        help="The isolation key, such as that of a visitor or of a deleted user.",
    )


def person_of(options: dict[str, Any]) -> tuple[str, Any]:
    """Return the isolation key that options name, and the user if there is one.

    Raises:
        CommandError: If they name nobody, or two.
    """
    name, owner = options["user"], options["owner"]
    if bool(name) == bool(owner):
        raise CommandError("Say --user or --owner, one of them.")
    if owner and not (len(owner) <= OWNER_LENGTH and is_clean(owner)):
        raise CommandError(f"--owner is 1 to {OWNER_LENGTH} characters of text.")
    user = _named(name) if name else owners.user_of(owner)
    return (owner or context_class().own_key(user)), user


def _named(name: str) -> Any:
    if not is_clean(name):
        raise CommandError("--user is text.")
    users = get_user_model()._default_manager
    wanted = Q(**{users.model.USERNAME_FIELD: name})
    with suppress(ValidationError):  # Then it can only be a name.
        wanted |= Q(pk=users.model._meta.pk.to_python(name))
    found = list(users.filter(wanted)[:2])
    if not found:
        raise CommandError(f"There is no user {name!r}.")
    if len(found) > 1:
        raise CommandError(
            f"{name!r} is the name of one user and the primary key of another. "
            "Say --owner."
        )
    return found[0]
