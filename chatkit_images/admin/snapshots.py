"""What pages ask for again and again, read once for all who look.

A process keeps an answer for a moment. Whoever asks for the same within that moment
gets the same answer, and whoever asks while it is being read waits for it. Nothing is
read while nobody asks. Two people ask for the same if their rows are of the same query,
so one whose ``get_queryset()`` is narrowed shares with nobody who sees more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from time import monotonic
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.http import HttpRequest

from ..contexts import context_class

# Seconds for which what somebody asked for is asked for again.
REMEMBERED = 10.0
# Kinds of answers that a process keeps, and things asked for of one kind.
MOST_KEYS, MOST_ASKED = 256, 100
# Things that were asked for, each with the time until which that is remembered.
Asked = dict[Hashable, float]


class Snapshot:
    """An answer, with what was asked for by name."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: Asked = {}
        self.value: Any = None
        self.read_at: float | None = None


class Snapshots:
    """Answers of one kind of question.

    Args:
        seconds: How long an answer is kept.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._found: dict[Hashable, Snapshot] = {}

    def get(
        self,
        key: Hashable,
        read: Callable[[Asked, Any], Any],
        asked: Iterable[Hashable] = (),
    ) -> Any:
        """Return an answer that is not older than the seconds.

        Args:
            key: The question.
            read: Reads the answer. It gets what was asked for by name, and the answer
                before, if there was one.
            asked: What the answer should have, if not this one then the next.
        """
        with self._lock:
            found = self._found.get(key)
            if found is None:
                self._forget()
                found = self._found[key] = Snapshot()
        with found.lock:
            now = monotonic()
            found.asked = {k: at for k, at in found.asked.items() if at > now}
            for each in asked:
                if len(found.asked) < MOST_ASKED:
                    found.asked.setdefault(each, now + REMEMBERED)
            if found.read_at is None or now - found.read_at >= self.seconds:
                found.value = read(found.asked, found.value)
                found.read_at = now
            return found.value

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._found.clear()

    def _forget(self) -> None:
        """Forget what nobody asks for any more."""
        old = monotonic() - max(self.seconds, REMEMBERED)
        for key, found in list(self._found.items()):
            if found.read_at is not None and found.read_at < old:
                del self._found[key]
        while len(self._found) >= MOST_KEYS:
            del self._found[next(iter(self._found))]


def key_of(request: HttpRequest, *queries: QuerySet[Any]) -> Hashable:
    """Return a key of queries: it differs if rows, parameters or tenant do."""
    tenant = context_class().for_owner("", None, request).tenant
    return tenant, *(_statement(rows) for rows in queries)


def _statement(rows: QuerySet[Any]) -> Hashable:
    try:
        sql, params = rows.query.get_compiler(rows.db).as_sql()
    except EmptyResultSet:
        return rows.db, "", ""
    return rows.db, sql, repr(params)
