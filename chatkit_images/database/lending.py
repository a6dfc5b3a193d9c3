"""Open connections that threads without one borrow for a moment.

Under ASGI, Django has a thread for each request, and with it a connection, which takes
longer to open than a row to read.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Seconds without work after which a connection is closed.
LINGER = 0.5
# Seconds after which a busy one is opened anew, where the project closes each after its
# request.
LASTS = 60
# Connections that stay open. More are lent, if so many threads ask, but not kept.
KEPT = 4
_changed = threading.Condition()
# Those that nobody has now, by alias, each with the time since when.
_idle: dict[str, list[tuple[float, BaseDatabaseWrapper]]] = {}
# Whether a thread closes those that are idle for too long.
_watched = False


def is_lendable(connection: BaseDatabaseWrapper) -> bool:
    """Whether a thread may read by another connection than by its own.

    If its own is open, it may be in a transaction, as in a test, or something may have
    been selected in it. A backend that is not Django's may keep what is selected, for
    example a tenant's schema, until it opens.
    """
    return connection.connection is None and type(connection).__module__.startswith(
        "django."
    )


@contextmanager
def lent(alias: str) -> Iterator[bool]:
    """Have this thread use an open connection, and yield whether it was used before.

    One that fails is not used again.
    """
    own = connections[alias]
    since, connection = _take(alias)
    try:
        connections[alias] = connection
        yield since > 0
    except BaseException:
        _close(connection)
        raise
    else:
        _give(alias, connection)
    finally:
        connections[alias] = own


def _take(alias: str) -> tuple[float, BaseDatabaseWrapper]:
    while True:
        with _changed:
            if not _idle.get(alias):
                break
            # The last one that was used, so that the others can be closed.
            since, connection = _idle[alias].pop()
        # As Django does before each request.
        connection.close_if_unusable_or_obsolete()
        if connection.connection is not None:
            return since, connection
    return 0, _made(alias)


def _made(alias: str) -> BaseDatabaseWrapper:
    connection = connections.create_connection(alias)
    values = connection.settings_dict
    if values["CONN_MAX_AGE"] == 0:
        connection.settings_dict = values | {"CONN_MAX_AGE": LASTS}
    connection.inc_thread_sharing()
    return connection


def _give(alias: str, connection: BaseDatabaseWrapper) -> None:
    global _watched
    with _changed:
        idle = _idle.setdefault(alias, [])
        if is_kept := len(idle) < KEPT:
            idle.append((time.monotonic(), connection))
            if not _watched:
                _watched = True
                name = "chatkit-images-database-lending"
                threading.Thread(target=_watch, name=name, daemon=True).start()
    if not is_kept:
        _close(connection)


def _watch() -> None:
    """Close connections that nobody has used for long, until there are none."""
    global _watched
    while True:
        with _changed:
            now = time.monotonic()
            old = [each for each in _all_idle() if each[0] <= now - LINGER]
            for alias, idle in _idle.items():
                _idle[alias] = [each for each in idle if each not in old]
            if not old and not any(_idle.values()):
                _watched = False
                return
        for _, connection in old:
            _close(connection)
        with _changed:
            _changed.wait(LINGER)


def _all_idle() -> list[tuple[float, BaseDatabaseWrapper]]:
    return [each for idle in _idle.values() for each in idle]


def _close(connection: BaseDatabaseWrapper) -> None:
    # Some drivers raise if the server has closed it.
    with suppress(Exception):
        connection.close()


def _forget() -> None:
    """Leave the connections to the process that has forked this one."""
    global _changed, _watched
    _changed, _watched = threading.Condition(), False
    _idle.clear()


os.register_at_fork(after_in_child=_forget)
