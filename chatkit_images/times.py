"""Times of the database, which are aware, and of ChatKit, which are naive and local."""

from __future__ import annotations

import datetime

from django.utils import timezone


def now() -> datetime.datetime:
    """Return the present as ChatKit stamps it."""
    return to_naive(timezone.now())


def to_aware(value: datetime.datetime) -> datetime.datetime:
    """Return a time for the database; ChatKit stamps naive local time."""
    return value.astimezone(datetime.UTC)


def to_naive(value: datetime.datetime) -> datetime.datetime:
    """Return a time for ChatKit, which subtracts it from ``datetime.now()``."""
    return value.astimezone().replace(tzinfo=None)
