"""Settings of how long things are kept."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .base import Group

Age = datetime.timedelta | float
"""How long something is kept: a time, or a number of days."""
Retention = dict[str, datetime.timedelta | None]
"""How long what is kept, by the names in ``CLASSES``; ``None`` is for ever."""

CLASSES = (
    "THREADS",
    "PARTIAL_IMAGES",
    "FAILED_IMAGES",
    "SUPERSEDED_IMAGES",
    "RUNS",
    "USE_ENTRIES",
    "USE_SUMS",
)
# Days. Longer is for ever, and no calendar goes back further than some.
MOST_DAYS = 36_500


class Keeping(Group):
    """How long things are kept."""

    # Retention

    @property
    def RETENTION(self) -> dict[str, Any]:
        """How long things are kept: days, or a ``timedelta``, by kind.

        Keys are ``"THREADS"``, ``"PARTIAL_IMAGES"``, ``"FAILED_IMAGES"``,
        ``"SUPERSEDED_IMAGES"``, ``"RUNS"``, ``"USE_ENTRIES"`` and ``"USE_SUMS"``;
        docs/retention.md says what each is and when its time begins. ``None`` keeps for
        ever, as does a key that is left out. ``manage.py chatkit_images_retention``
        deletes what is past its time, and nothing else does. A server's
        ``get_retention()`` decides per owner. Default: ``{}``.
        """
        values = self._get("RETENTION", {})
        if not isinstance(values, dict):
            raise ImproperlyConfigured(
                "CHATKIT_IMAGES['RETENTION'] must be a dict, got "
                f"{type(values).__name__}."
            )
        return values


def checked_retention(values: Any) -> Retention:
    """Return how long a project keeps what it names.

    Raises:
        TypeError: If it is no dict, or not of times, numbers and ``None``.
        ValueError: If a key is unknown, or a time not above 0 or above 36,500 days.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"A retention is a dict, got {values!r}.")
    return {key: _checked(key, value) for key, value in values.items()}


def _checked(key: Any, value: Any) -> datetime.timedelta | None:
    if key not in CLASSES:
        names = ", ".join(CLASSES)
        raise ValueError(f"There is no retention of {key!r}; there are {names}.")
    if value is None:
        return None
    days = value / datetime.timedelta(days=1) if _is_time(value) else value
    if isinstance(days, bool) or not isinstance(days, int | float):
        raise TypeError(f"{key} must be days, a timedelta or None, got {value!r}.")
    if not 0 < days <= MOST_DAYS:
        raise ValueError(
            f"{key} must be above 0 and at most {MOST_DAYS} days, got {value!r}. None "
            "keeps for ever."
        )
    return datetime.timedelta(days=days)


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime.timedelta)
