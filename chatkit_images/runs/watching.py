"""Watching a thread: waiting for its runs, in whichever process they are."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..context import RequestContext
from .changes import Change

# A tenant, and the id of a thread: a copied tenant has threads of the same ids.
Key = tuple[str, str]
# What waits for one watcher at most. A run is shown to it first.
MOST_NEWS = 1000


class Watch:
    """A watcher of a thread, which sees each of its runs once."""

    def __init__(self) -> None:
        self._announced: set[uuid.UUID] = set()
        self._skipped: set[uuid.UUID] = set()
        self._news: asyncio.Queue[uuid.UUID | Change] = asyncio.Queue()

    def skip(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Leave out runs that are already shown, or that ended before."""
        self._skipped.update(run_ids)

    def announce(self, run_id: uuid.UUID) -> None:
        """Tell the watcher of a run."""
        # Each poll announces the run again, but a slow watcher's queue must not grow.
        if run_id not in self._announced:
            self._announced.add(run_id)
            self._news.put_nowait(run_id)

    def tell(self, change: Change) -> None:
        """Tell the watcher of an item that is to be shown anew."""
        if self._news.qsize() < MOST_NEWS:
            self._news.put_nowait(change)

    async def next(self) -> uuid.UUID | Change:
        """Return the next run or change, as soon as there is one."""
        while (news := await self._news.get()) in self._skipped:
            pass
        return news


class Watches:
    """The watchers of threads in this process.

    Attributes:
        shows: How many runs are being shown to them.
    """

    def __init__(self) -> None:
        self.shows = 0
        self._watched: dict[Key, list[Watch]] = {}
        self._contexts: dict[Key, RequestContext] = {}

    @property
    def threads(self) -> dict[Key, RequestContext]:
        """Return the threads that are watched, each with one of its watchers."""
        return dict(self._contexts)

    @contextmanager
    def watching(self, thread_id: str, context: RequestContext) -> Iterator[Watch]:
        """Add a watcher of a thread."""
        watch, key = Watch(), (context.tenant, thread_id)
        self._contexts[key] = context
        self._watched.setdefault(key, []).append(watch)
        try:
            yield watch
        finally:
            self._watched[key].remove(watch)
            if not self._watched[key]:
                del self._watched[key], self._contexts[key]

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Count a run that is shown to a watcher, from its beginning to its end."""
        self.shows += 1
        try:
            yield
        finally:
            self.shows -= 1

    def announce(self, tenant: str, thread_id: str, run_id: uuid.UUID) -> None:
        """Tell the watchers of a tenant's thread of a run there."""
        for watch in self._watched.get((tenant, thread_id), ()):
            watch.announce(run_id)

    def tell(self, tenant: str, change: Change) -> None:
        """Tell the watchers of a tenant's thread of what has changed in it."""
        for watch in self._watched.get((tenant, change.thread_id), ()):
            watch.tell(change)
