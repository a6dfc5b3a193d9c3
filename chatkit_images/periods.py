"""Periods in which use is counted, by the clock of the project's ``TIME_ZONE``."""

from __future__ import annotations

import datetime
import math
from enum import Enum

from django.conf import settings as django_settings
from django.utils import timezone


class Period(Enum):
    """A calendar period. Its value is how its names are written, as ISO 8601 does."""

    MONTH = "%Y-%m"
    DAY = "%Y-%m-%d"
    HOUR = "%Y-%m-%dT%H"
    MINUTE = "%Y-%m-%dT%H:%M"

    def name_at(self, now: datetime.datetime) -> str:
        """Return the name of the period in which a time is."""
        return now.strftime(self.value)

    def seconds_left(self, now: datetime.datetime) -> int:
        """Return after how many seconds the next period begins, at least 1."""
        start = now.replace(second=0, microsecond=0)
        if self is Period.MINUTE:
            # A sum would be in the first of two hours that have the same name.
            return 60 - now.second
        if self is Period.HOUR:
            end = start.replace(minute=0) + datetime.timedelta(hours=1)
        elif self is Period.DAY:
            end = start.replace(hour=0, minute=0) + datetime.timedelta(days=1)
        else:
            # The 28th is in every month, and four days later is the next one.
            later = start.replace(day=28) + datetime.timedelta(days=4)
            end = later.replace(day=1, hour=0, minute=0)
        # Two times of one zone are subtracted as if no clock was ever changed.
        left = end.astimezone(datetime.UTC) - now.astimezone(datetime.UTC)
        return max(1, math.ceil(left.total_seconds()))


def now_here() -> datetime.datetime:
    """Return the present in the zone of the project, whatever the person's is."""
    if not django_settings.USE_TZ:
        return datetime.datetime.now()
    return timezone.now().astimezone(timezone.get_default_timezone())
