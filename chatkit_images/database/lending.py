"""Open connections that threads without one borrow for a moment.

Under ASGI, Django has a thread for each request, and with it a connection, which takes
longer to open than a row to read.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)
Idle = dict[str, list[tuple[float, BaseDatabaseWrapper]]]
# Seconds without work after which a connection is closed.
LINGER = 0.5
# Seconds after which a busy one is opened anew, where the project closes each after its
# request.
LASTS = 60
# Connections of each database that stay open. More are lent, if so many threads ask.
KEPT = 4
_lock = threading.Lock()
# Those that nobody has now, by alias, each with the time since when.
_idle: Idle = {}
# Whether a thread closes those that are idle for too long.
_watched = False
# What this process has of the one that has forked it. It must never be freed: some
# drivers would tell the server that the other process's connection ends.
_inherited: list[Idle] = []


def is_lendable(connection: BaseDatabaseWrapper) -> bool:
    """Whether a thread may read by another connection than by its own.

    If its own is open, it may be in a transaction, as in a test. If it was given
    wrappers or other settings, or its backend is not Django's, something may be
    selected in it before it opens, for example the schema of a tenant. A pool of the
    driver's has open connections already, and must get them back.
    """
    values = connection.settings_dict
    return (
        connection.connection is None
        and not connection.execute_wrappers
        and type(connection).__module__.startswith("django.")
        and not values["OPTIONS"].get("pool")
        and values == connections.settings[connection.alias]
    )


@contextmanager
def lent(alias: str) -> Iterator[bool]:
    """Have this thread use an open connection, and yield whether it was used before.

    One that fails is not used again.
    """
    own = connections[alias]
    was_used, connection = _take(alias)
    try:
        connections[alias] = connection
        yield was_used
    except BaseException:
        _close(connection)
        raise
    else:
        _give(alias, connection)
    finally:
        connections[alias] = own


def _take(alias: str) -> tuple[bool, BaseDatabaseWrapper]:
    while True:
        with _lock:
            if not _idle.get(alias):
                return False, _made(alias)
            # The last one that was used, so that the others can be closed.
            _, connection = _idle[alias].pop()
        try:
            # As Django does before each request.
            connection.close_if_unusable_or_obsolete()
        except Exception:
            logger.info("A connection cannot be looked at", exc_info=True)
            _close(connection)
        if connection.connection is not None:
            return True, connection


def _made(alias: str) -> BaseDatabaseWrapper:
    connection = connections.create_connection(alias)
    values = connection.settings_dict
    if values["CONN_MAX_AGE"] == 0:
        connection.settings_dict = values | {"CONN_MAX_AGE": LASTS}
    connection.inc_thread_sharing()
    return connection


def _give(alias: str, connection: BaseDatabaseWrapper) -> None:
    with _lock:
        idle = _idle.setdefault(alias, [])
        if is_kept := len(idle) < KEPT and _is_watched():
            idle.append((time.monotonic(), connection))
    if not is_kept:
        _close(connection)


def _is_watched() -> bool:
    """Whether idle connections will be closed. The caller has the lock."""
    global _watched
    if not _watched:
        name = "chatkit-images-database-lending"
        try:
            threading.Thread(target=_watch, name=name, daemon=True).start()
        except RuntimeError:
            # The process has too many threads, or ends.
            logger.info("No connection is kept open", exc_info=True)
        else:
            _watched = True
    return _watched


def _watch() -> None:
    """Close connections that nobody has used for long, until there are none."""
    global _watched
    while True:
        time.sleep(LINGER)
        with _lock:
            until = time.monotonic() - LINGER
            old = [each for idle in _idle.values() for each in idle if each[0] <= until]
            for alias in list(_idle):
                _idle[alias] = [each for each in _idle[alias] if each not in old]
                if not _idle[alias]:
                    del _idle[alias]
            is_done = not _idle
            # Whoever gives one back from now on begins another thread.
            _watched = not is_done
        for _, connection in old:
            _close(connection)
        if is_done:
            return


def _close(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.close()
    except Exception:
        # Some drivers raise if the server has closed it.
        logger.info("A connection is closed with an error", exc_info=True)
        connection.connection = None


def _forget() -> None:
    global _lock, _idle, _watched
    _inherited.append(_idle)
    _lock, _idle, _watched = threading.Lock(), {}, False


os.register_at_fork(after_in_child=_forget)
