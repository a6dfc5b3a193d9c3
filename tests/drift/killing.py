"""The end of this process at a step of its own: a statement, a commit, or a file."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from chatkit_images.storage import copying, disk, s3, spool


class Steps:
    """Counts the steps of all threads.

    Args:
        last: At which the process dies by SIGKILL; 0: never.
    """

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take a step."""
        with self._lock:
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a step before it and one behind it."""

        @wraps(func)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.take()
            found = func(*args, **kwargs)
            self.take()
            return found

        return call

    def statement(self, execute: Any, sql: str, *args: Any) -> Any:
        """Take a step before a statement that changes something."""
        if not sql.lstrip("( ").startswith(("SELECT", "SHOW")):
            self.take()
        return execute(sql, *args)

    def connected(self, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        """Watch a new connection; each thread has one of its own."""
        if self.statement not in connection.execute_wrappers:
            connection.execute_wrappers.append(self.statement)


# What changes a file or a database, by the place that is asked for it.
PLACES: tuple[tuple[Any, str], ...] = (
    (BaseDatabaseWrapper, "commit"),
    (FileSystemStorage, "delete"),
    (copying, "copy"),
    (disk, "write"),
    (disk, "_give_name"),
    (s3, "put"),
    (s3, "delete_all"),
    (spool, "drop"),
)


def die_at(step: int) -> Steps:
    """Have this process die at a step; it has no connection yet."""
    steps = Steps(step)
    for place, name in PLACES:
        setattr(place, name, steps.around(getattr(place, name)))
    # By a strong reference, as it stays until the end.
    connection_created.connect(steps.connected, weak=False)
    return steps
