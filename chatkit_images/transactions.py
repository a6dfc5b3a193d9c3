"""Transactions on the database of the app's rows, which the project's routers name.

The routers are asked at each call, because what they say may depend on the thread, the
task or the tenant. All of the app's rows are in one database, that of the threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connections, router, transaction
from django.db.backends.base.features import BaseDatabaseFeatures


def alias() -> str:
    """Return the alias of the database that the app writes to."""
    return router.db_for_write(apps.get_model("chatkit_images", "Thread"))


@contextmanager
def atomic() -> Iterator[None]:
    """Do as Django's ``atomic`` does, in the database that the app writes to.

    As a decorator it asks for the database at each call.
    """
    with transaction.atomic(using=alias()):
        yield


def features() -> BaseDatabaseFeatures:
    """Return what the database can do that the app writes to."""
    return connections[alias()].features


@contextmanager
def own_connection() -> Iterator[None]:
    """Close the connection afterwards, if this thread had none: nothing else would.

    Use it for queries in threads in which no request begins or ends.
    """
    connection = connections[alias()]
    had = connection.connection is not None
    try:
        yield
    finally:
        if not had:
            connection.close()
