"""Times of the database, as ``USE_TZ`` wants them, and of ChatKit, naive and local.

With ``USE_TZ`` off the columns hold naive local time too.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings as django_settings
from django.db import connections
from django.db.models import functions
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from . import transactions

# Databases whose columns keep no zone. There the clock below writes UTC.
WITHOUT_ZONES = ("mysql", "sqlite")


class Now(functions.Now):
    """The database's clock, for what the hosts of several processes compare.

    Compare only what this clock has written: other columns are of the clock of a host.
    On SQLite, MySQL and MariaDB it says UTC in any case. Local time would leap by an
    hour, and every run would seem to be dead.
    """

    def as_mysql(
        self, compiler: SQLCompiler, connection: Any, **extra_context: Any
    ) -> Any:
        """Return SQL that does not depend on the zone of the session."""
        return self.as_sql(
            compiler, connection, template="UTC_TIMESTAMP(6)", **extra_context
        )


def of_clock(value: datetime.datetime) -> datetime.datetime:
    """Return a time that ``Now`` wrote as other columns have it."""
    vendor = connections[transactions.alias()].vendor
    if django_settings.USE_TZ or vendor not in WITHOUT_ZONES:
        return value
    return to_naive(value.replace(tzinfo=datetime.UTC))


def now() -> datetime.datetime:
    """Return the present as ChatKit stamps it."""
    return to_naive(timezone.now())


def to_column(value: datetime.datetime) -> datetime.datetime:
    """Return a time for the database; ChatKit stamps naive local time."""
    if django_settings.USE_TZ:
        return value.astimezone(datetime.UTC)
    return value if value.tzinfo is None else to_naive(value)


def to_naive(value: datetime.datetime) -> datetime.datetime:
    """Return a time for ChatKit, which subtracts it from ``datetime.now()``."""
    return value.astimezone().replace(tzinfo=None)


def long_ago() -> datetime.datetime:
    """Return a time before those of all rows.

    Not all databases find by an index what only has to have a time.
    """
    return timezone.now() - datetime.timedelta(days=36500)
