"""What the row of a run keeps of a context, and what is made of it again.

Rows are of another time: of an older version, of a class that has changed since, of a
language that the site does not have any more. Whatever they say, their runs can end.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import router
from django.urls import get_resolver
from django.utils import translation

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from .context import RequestContext


def to_row(context: RequestContext) -> dict[str, Any]:
    """Return the fields that every context keeps, as JSON."""
    urlconf = context.urlconf if isinstance(context.urlconf, str) else None
    row = {
        "owner": context.owner,
        "locale": context.locale,
        "tenant": context.tenant,
        "script_prefix": context.script_prefix,
        "urlconf": urlconf,
    }
    if context.user is not None:
        row["user"] = context.user._meta.pk.value_to_string(context.user)
    return row


def user_of(row: dict[str, Any]) -> AbstractBaseUser | None:
    """Return the user of a row, ``None`` if it has none who is still there."""
    if row.get("user") is None:
        return None
    users = get_user_model()._default_manager
    # A replica may not know a new user yet.
    alias = router.db_for_write(users.model)
    try:
        return users.using(alias).filter(pk=row["user"]).first()
    except (TypeError, ValueError, ValidationError):
        # It is a key of another model of users.
        return None


def values_of(row: dict[str, Any], context: RequestContext) -> dict[str, Any]:
    """Return the values of a row that a context can have, by its fields."""
    known = {each.name for each in dataclasses.fields(context) if each.init}
    found = {name: value for name, value in row.items() if name in known - LEFT_OUT}
    valid = {name: test(found[name]) for name, test in VALID.items() if name in found}
    return {name: value for name, value in found.items() if valid.get(name, True)}


def locale_of(row: Any) -> str | None:
    """Return the language of a row, ``None`` if the site does not have it."""
    locale = row.get("locale") if isinstance(row, dict) else None
    return locale if _is_language(locale) else None


def _is_language(value: Any) -> bool:
    return isinstance(value, str) and translation.check_for_language(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_prefix(value: Any) -> bool:
    return isinstance(value, str) and (not value or value.startswith("/"))


def _is_urlconf(value: Any) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and bool(get_resolver(value).url_patterns)
    except (ImportError, ImproperlyConfigured, ValueError):
        return False


# These are given by themselves.
LEFT_OUT = {"user", "owner"}
VALID = {
    "locale": _is_language,
    "tenant": _is_text,
    "script_prefix": _is_prefix,
    "urlconf": _is_urlconf,
}
