"""What a process does for all of its runs and readers at once, each second.

However many there are, it takes a few queries: the heartbeats of its runs, the stops
that other processes have asked for, the ends of the runs that it only reads, news of
the threads that are watched, and a look for runs whose process has died.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Protocol
from weakref import WeakKeyDictionary

from .. import database
from ..conf import settings
from ..models import Run
from . import claims, polling
from .log import MemoryLog

logger = logging.getLogger(__name__)
# Seconds between two looks, and for the last entries of a log after the run's end.
LOOK_SECONDS, GRACE_SECONDS = 1.0, 1.0


class Supervised(Protocol):
    """A run of this process, as its supervisor sees it."""

    ending: bool
    read_elsewhere_until: float

    def stop(self) -> None:
        """End the run."""


class Watch:
    """Somebody who waits for the runs of a thread and sees each of them once."""

    def __init__(self) -> None:
        self._told: set[uuid.UUID] = set()
        self._skipped: set[uuid.UUID] = set()
        self._news: asyncio.Queue[uuid.UUID] = asyncio.Queue()

    def skip(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Say nothing of some runs, which are shown already or were before."""
        self._skipped.update(run_ids)

    def tell(self, run_id: uuid.UUID) -> None:
        """Say that a run is going on."""
        # It is said each second: the queue of who takes nothing must not grow.
        if run_id not in self._told:
            self._told.add(run_id)
            self._news.put_nowait(run_id)

    async def next(self) -> uuid.UUID:
        """Return the next run."""
        while (run_id := await self._news.get()) in self._skipped:
            pass
        return run_id


class Supervisor:
    """Looks after the runs and the readers of one event loop.

    Attributes:
        live: The runs of this process that have their claim, by id.
        closed: Whether the server ends, and with it the streams of others' runs.
        shows: How many runs are being shown to somebody who watches.
    """

    def __init__(self) -> None:
        self.live: dict[uuid.UUID, Supervised] = {}
        self.closed = False
        self.shows = 0
        self._followed: dict[uuid.UUID, list[MemoryLog]] = {}
        self._present: Counter[uuid.UUID] = Counter()
        self._watched: dict[str, list[Watch]] = {}
        self._beaten = self._scanned = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start looking, if that has not begun."""
        if self._task is None or self._task.done():
            # It outlives the request that may have asked for it.
            self._task = asyncio.create_task(self._look(), context=Context())

    @contextmanager
    def following(
        self, run_id: uuid.UUID, log: MemoryLog, present: bool
    ) -> Iterator[None]:
        """Close a copy of a run's log when the run has ended without closing it.

        Args:
            run_id: The run, of another process or of the past.
            log: The copy.
            present: Whether it goes on for this reader.
        """
        self.begin()
        self._followed.setdefault(run_id, []).append(log)
        self._present[run_id] += present
        try:
            yield
        finally:
            self._present[run_id] -= present
            self._followed[run_id].remove(log)
            if not self._followed[run_id]:
                del self._followed[run_id], self._present[run_id]

    @contextmanager
    def watching(self, thread_id: str) -> Iterator[Watch]:
        """Learn of the runs of a thread, in whichever process they are."""
        self.begin()
        watch = Watch()
        self._watched.setdefault(thread_id, []).append(watch)
        try:
            yield watch
        finally:
            self._watched[thread_id].remove(watch)
            if not self._watched[thread_id]:
                del self._watched[thread_id]

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show a run from its beginning to its end to somebody who watches."""
        self.shows += 1
        try:
            yield
        finally:
            self.shows -= 1

    def close(self) -> None:
        """End the streams of runs of other processes; their readers go there."""
        self.closed = True
        for logs in self._followed.values():
            for log in logs:
                log.close(complete=False)

    def tell(self, thread_id: str, run_id: uuid.UUID) -> None:
        """Tell who watches a thread that a run is going on there."""
        for watch in self._watched.get(thread_id, ()):
            watch.tell(run_id)

    async def _look(self) -> None:
        while True:
            stale = settings.RUN_STALE_SECONDS
            await asyncio.sleep(min(LOOK_SECONDS, stale / 4))
            now = time.monotonic()
            look = polling.Look(
                live=list(self.live),
                followed=list(self._followed),
                present=[pk for pk in self._followed if self._present[pk]],
                watched=list(self._watched),
                beats=now - self._beaten >= stale / 4,
            )
            if now - self._scanned >= stale / 2:
                self._scanned = now
                self._recover()
            if not look.is_due:
                continue
            try:
                self._act(await database.beat(look.perform))
            except Exception:
                # The next one may get through; a run without a beat is taken over.
                logger.warning("The runs were not looked at", exc_info=True)
                continue
            self._beaten = now if look.beats else self._beaten

    def _recover(self) -> None:
        """Take dead runs over, one after the other, while all else goes on."""
        if self._recovery is None or self._recovery.done():
            # Its own are alive, however late their heartbeat is.
            others = Run.objects.exclude(pk__in=list(self.live))
            take_over = database.aside(claims.take_over, others)
            self._recovery = asyncio.create_task(quietly(take_over), context=Context())

    def _act(self, seen: polling.Seen) -> None:
        for run_id in seen.lost:
            run = self.live.get(run_id)
            if run is not None and not run.ending:
                logger.warning("Run %s was taken over", run_id)
                run.stop()
        for run_id in seen.stops:
            if (run := self.live.get(run_id)) is not None:
                run.stop()
        loop = asyncio.get_running_loop()
        for run_id in seen.read_elsewhere:
            if (run := self.live.get(run_id)) is not None:
                seconds = max(polling.PRESENCE_SECONDS, settings.RECONNECT_SECONDS)
                run.read_elsewhere_until = loop.time() + seconds
        for run_id in seen.ended:
            for log in self._followed.get(run_id, ()):
                if not log.closed:
                    loop.call_later(GRACE_SECONDS, log.close, False)
        for thread_id, run_id in seen.busy:
            self.tell(thread_id, run_id)
        if seen.dead:
            self._recover()


async def quietly(work: Awaitable[object]) -> None:
    """Do what may fail: it is tried again."""
    try:
        await work
    except Exception:
        logger.warning("Dead runs are left", exc_info=True)


_supervisors: WeakKeyDictionary[asyncio.AbstractEventLoop, Supervisor] = (
    WeakKeyDictionary()
)


def supervisor() -> Supervisor:
    """Return the supervisor of the running event loop; a server has one."""
    loop = asyncio.get_running_loop()
    if loop not in _supervisors:
        _supervisors[loop] = Supervisor()
    return _supervisors[loop]
