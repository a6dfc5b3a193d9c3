"""Reads from elsewhere, so many at once in this process, by turns of their owners."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any

from ..contexts import working_context

# Reads of one kind, and those of one owner: whoever is slow leaves places to others.
# Each read has MAX_IMAGE_BYTES at most.
AT_ONCE, SHARE = 8, 4


class Reads:
    """Places for reads of one kind, in whatever event loop of the process.

    A place that is free goes to whoever has the fewest, and of those to whoever waits
    longest.

    Args:
        at_once: How many places there are.
        share: How many of them one owner may have.
    """

    def __init__(self, at_once: int = AT_ONCE, share: int = SHARE) -> None:
        self._at_once, self._share = at_once, share
        self._lock = Lock()
        self._reading: Counter[str] = Counter()
        # Who had a turn last stands last.
        self._waiting: dict[str, deque[Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, owner: str | None = None) -> AsyncIterator[list[Future[Any]]]:
        """Wait for a place, and have it for what is done within.

        Args:
            owner: Who reads. Default: for whom this code works.

        Yields:
            An empty list, for what is done within threads, one after the other.
            Whoever does not wait for it any more keeps the place until it is done.
        """
        if owner is None:
            context = working_context()
            owner = context.scope if context else ""
        place: Future[None] = Future()
        threads: list[Future[Any]] = []
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(place)
            self._give()
        try:
            await asyncio.wrap_future(place)
            yield threads
        finally:
            if threads:
                threads[-1].add_done_callback(lambda _: self._leave(owner, place))
            else:
                self._leave(owner, place)

    def _leave(self, owner: str, place: Future[None]) -> None:
        with self._lock:
            if place.cancel():
                self._forget(owner, place)
            else:
                self._reading[owner] -= 1
                self._reading += Counter()  # Without those that have none.
            self._give()

    def _give(self) -> None:
        while self._reading.total() < self._at_once:
            owners = [
                each for each in self._waiting if self._reading[each] < self._share
            ]
            if not owners:
                return
            owner = min(owners, key=self._reading.__getitem__)
            places = self._waiting.pop(owner)
            place = places.popleft()
            if places:
                self._waiting[owner] = places
            if place.set_running_or_notify_cancel():
                self._reading[owner] += 1
                place.set_result(None)

    def _forget(self, owner: str, place: Future[None]) -> None:
        places = self._waiting.get(owner, deque())
        if place in places:
            places.remove(place)
            if not places:
                del self._waiting[owner]
