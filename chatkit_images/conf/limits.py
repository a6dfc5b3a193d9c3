"""Settings of how much one person may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .base import Group

Limits = dict[str, int | None]
"""What one person may use, by the names in ``DEFAULTS``; ``None`` is no limit."""

DEFAULTS: Limits = {
    "RUNS_AT_ONCE": 25,
    "RUNS_PER_HOUR": 300,
    "IMAGES_PER_DAY": 300,
    "TOKENS_PER_MONTH": None,
    "ATTACHMENTS_WAITING": 50,
    "BYTES_STORED": 2 * 2**30,
    "UPLOADS_PER_MINUTE": 60,
    "MESSAGE_PARTS": 100,
    "MESSAGE_BYTES": 2**20,
    "THREAD_ITEMS": 20_000,
    "OPEN_STREAMS": 100,
}
VISITORS: Limits = {
    "RUNS_AT_ONCE": 2,
    "RUNS_PER_HOUR": 30,
    "IMAGES_PER_DAY": 20,
    "TOKENS_PER_MONTH": None,
    "ATTACHMENTS_WAITING": 10,
    "BYTES_STORED": 100 * 2**20,
    "UPLOADS_PER_MINUTE": 20,
    "MESSAGE_PARTS": 20,
    "MESSAGE_BYTES": 256 * 2**10,
    "THREAD_ITEMS": 2_000,
    "OPEN_STREAMS": 10,
}
ADDRESS: Limits = {
    "RUNS_PER_HOUR": 120,
    "IMAGES_PER_DAY": 100,
    "UPLOADS_PER_MINUTE": 60,
    "OPEN_STREAMS": 60,
}
SITE: Limits = {"IMAGES_PER_DAY": None, "TOKENS_PER_DAY": None}
GROUPS = {"VISITORS": VISITORS, "ADDRESS": ADDRESS, "SITE": SITE}


class Use(Group):
    """How much of everything a person may use."""

    # Limits

    @property
    def LIMITS(self) -> dict[str, Any]:
        """What one person may use; ``None`` switches a limit off, or all of them.

        Keys and defaults are in docs/limits.md, as are its groups ``"VISITORS"``,
        ``"ADDRESS"`` and ``"SITE"``. A server's ``get_limits()`` decides per person.
        Default: ``{}``, the defaults.
        """
        values = self._get("LIMITS", {})
        if values is None:
            return {**dict.fromkeys(DEFAULTS), **dict.fromkeys(GROUPS)}
        if not isinstance(values, dict):
            raise ImproperlyConfigured(
                f"CHATKIT_IMAGES['LIMITS'] must be a dict, got {type(values).__name__}."
            )
        return values

    def limits_of(self, *, visitor: bool) -> Limits:
        """Return the limits of a user, or of a visitor.

        A visitor may not do more than a user, unless ``"VISITORS"`` says so. A limit
        that is switched off for users is switched off for visitors too.
        """
        own = {key: value for key, value in self.LIMITS.items() if key in DEFAULTS}
        user: Limits = {**DEFAULTS, **own}
        group = self.LIMITS.get("VISITORS", {})
        if not visitor or group is None:
            return user
        default = {
            key: None if key in own and own[key] is None else _least(user[key], limit)
            for key, limit in VISITORS.items()
        }
        return {**default, **group}

    def limits_of_address(self) -> Limits:
        """Return what all visitors with one address may use together."""
        return self._group("ADDRESS")

    def limits_of_site(self) -> Limits:
        """Return what everybody may use together."""
        return self._group("SITE")

    def _group(self, name: str) -> Limits:
        group = self.LIMITS.get(name, {})
        if group is None:
            return dict.fromkeys(GROUPS[name])
        return {**GROUPS[name], **group}


def checked_limits(values: Any, known: Mapping[str, Any] = DEFAULTS) -> Limits:
    """Return limits that a project has made.

    Raises:
        TypeError: If they are no dict, or not of numbers and ``None``.
        ValueError: If a key is unknown, or a number below 0.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"Limits are a dict, got {values!r}.")
    for key, value in values.items():
        if key not in known:
            names = ", ".join(known)
            raise ValueError(f"There is no limit {key!r}; there are {names}.")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{key} must be a whole number or None, got {value!r}.")
        if value < 0:
            raise ValueError(f"{key} must be 0 or above, got {value}.")
    return dict(values)


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
