"""What a process does each second for all of its runs and readers together.

A poll takes a few queries, however many runs and readers there are: it writes the
heartbeats of runs, and reads stops, the ends of followed runs, and the runs of watched
threads. Meanwhile dead runs are taken over.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context
from weakref import WeakKeyDictionary

from .. import database
from ..conf import settings
from ..context import RequestContext
from ..queries import standing
from ..queries.standing import Standing
from . import takeovers
from .client_streams import ClientStreams
from .followed_logs import FollowedLogs
from .log import MemoryLog
from .polling import Poll, PollResult
from .registry import LIVE
from .supervised import Supervised
from .watching import Watch, Watches

logger = logging.getLogger(__name__)
# Seconds between two polls.
POLL_SECONDS = 1.0


class Supervisor:
    """Polls the database for the runs and the readers of one event loop.

    Attributes:
        claimed: The runs of this process that have their claim, by id.
        followed_logs: The logs of other processes' runs that are read here.
        watches: The threads that are watched here.
        client_streams: The streams that are open here.
    """

    def __init__(self) -> None:
        self.claimed: dict[uuid.UUID, Supervised] = {}
        self.followed_logs = FollowedLogs()
        self.watches = Watches()
        self.client_streams = ClientStreams()
        # When the last heartbeat was written, and when dead runs were looked for.
        self._heartbeat_at = self._takeover_at = time.monotonic()
        self._lasting = False
        # The recent decisions that were told here, by tenant.
        self._decisions: dict[str, frozenset[int]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._takeover: asyncio.Task[None] | None = None
        # Releases of runs of this process that the database has not taken so far.
        self._owed: list[Callable[[], Awaitable[object]]] = []
        self._paying: asyncio.Task[None] | None = None

    def begin(self, *, lasting: bool = True) -> None:
        """Start to poll, as long as there are runs or, if ``lasting``, for ever."""
        self._lasting = self._lasting or lasting
        if self._polling is None or self._polling.done():
            # The task outlives the request that may have asked for it.
            self._polling = asyncio.create_task(self._poll(), context=Context())

    @contextmanager
    def supervising(self, run: Supervised, *, lasting: bool = True) -> Iterator[None]:
        """Write the heartbeats of a run of this process, and stop it if asked to."""
        self.begin(lasting=lasting)
        self.claimed[run.id] = run
        try:
            if run.thread_id is not None:
                self.watches.announce(run.context.tenant, run.thread_id, run.id)
            yield
        finally:
            del self.claimed[run.id]
            if self._polling and not (self._lasting or self.claimed):
                self._polling.cancel()
                self._polling = None

    def owe(self, release: Callable[[], Awaitable[object]]) -> None:
        """Release a run as soon as the database is back, and recover its images."""
        self.begin()
        self._owed.append(release)

    def following(
        self, run_id: uuid.UUID, context: RequestContext, log: MemoryLog, present: bool
    ) -> AbstractContextManager[None]:
        """Follow a log that another process writes; see ``FollowedLogs.following``."""
        self.begin()
        return self.followed_logs.following(run_id, context, log, present)

    def watching(
        self, thread_id: str, context: RequestContext
    ) -> AbstractContextManager[Watch]:
        """Watch for the runs of a thread, in whichever process they are."""
        self.begin()
        return self.watches.watching(thread_id, context)

    async def _poll(self) -> None:
        while True:
            stale = settings.RUN_STALE_SECONDS
            await asyncio.sleep(min(POLL_SECONDS, stale / 4))
            now = time.monotonic()
            with_heartbeat = now - self._heartbeat_at >= stale / 4
            if now - self._takeover_at >= stale / 2:
                self._takeover_at = now
                self._take_over()
            if self._owed and (self._paying is None or self._paying.done()):
                self._paying = asyncio.create_task(self._pay(), context=Context())
            complete = True
            for poll in self._polls(with_heartbeat):
                try:
                    self._act(poll, await database.beat(poll.perform))
                except Exception:
                    # The next poll may succeed. Without heartbeats a run is taken over.
                    logger.warning("A poll of the runs has failed", exc_info=True)
                    complete = False
            if with_heartbeat and complete:
                self._heartbeat_at = now

    def _polls(self, with_heartbeat: bool) -> list[Poll]:
        """Return what there is to ask, by tenant."""
        polls: dict[str, Poll] = {}

        def of(context: RequestContext) -> Poll:
            tenant = context.tenant
            if tenant not in polls:
                known = self._decisions.get(tenant, frozenset())
                selecting = context if tenant else None
                polls[tenant] = Poll(with_heartbeat, selecting, known=known)
            return polls[tenant]

        for run in self.claimed.values():
            of(run.context).claimed.append(run.id)
            of(run.context).people.append(run.context)
            if run.thread_id is not None:
                of(run.context).threads[run.thread_id] = run.context
        for context in self.client_streams.contexts:
            of(context).people.append(context)
        for run_id, context in self.followed_logs.followed.items():
            of(context).followed.append(run_id)
            if self.followed_logs.has_reader(run_id):
                of(context).present.append(run_id)
        for (_tenant, thread_id), context in self.watches.threads.items():
            of(context).watched.append(thread_id)
            of(context).threads[thread_id] = context
        return list(polls.values())

    def _take_over(self) -> None:
        """Take dead runs over, one after the other, without delaying polls."""
        if self._takeover is None or self._takeover.done():
            # The runs of this process are alive, even if their heartbeats are late.
            own = list(self.claimed)
            work = quietly(database.aside(takeovers.take_over_others, own))
            self._takeover = asyncio.create_task(work, context=Context())

    async def _pay(self) -> None:
        while self._owed:
            try:
                await self._owed[0]()
            except Exception:
                logger.warning("A run cannot be released yet", exc_info=True)
                # The next one is tried first then: one must not hold up all others.
                self._owed.append(self._owed.pop(0))
                return
            del self._owed[0]

    def _act(self, poll: Poll, result: PollResult) -> None:
        """Do what follows from a poll."""
        for run_id in result.lost:
            run = self.claimed.get(run_id)
            if run is not None and not run.ending:
                logger.warning("Run %s was taken over", run_id)
                run.stop()
        own = self.claimed
        for run_id in own.keys() & result.stops:
            own[run_id].stop()
        for run_id in own.keys() & result.withdrawn.keys():
            own[run_id].withdraw(result.withdrawn[run_id])
        for run_id in own.keys() & result.read_elsewhere:
            own[run_id].read_elsewhere()
        for run_id in result.ended:
            self.followed_logs.close_soon(run_id)
        tenant = "" if poll.context is None else poll.context.tenant
        if result.ended_people:
            self._end(tenant, result.ended_people)
        for thread_id, run_id in result.busy:
            self.watches.announce(tenant, thread_id, run_id)
        self._decisions[tenant] = frozenset(result.decisions)
        for change in result.changes:
            for run in own.values():
                if (run.context.tenant, run.thread_id) == (tenant, change.thread_id):
                    run.show(change.chunk)
            self.watches.tell(tenant, change)
        if result.dead:
            self._take_over()

    def _end(self, tenant: str, people: Mapping[Standing, str]) -> None:
        """End the runs and the streams of people who may not chat any more."""
        for run in self.claimed.values():
            key = standing.of(run.context)
            if run.context.tenant == tenant and key in people and not run.ending:
                logger.info("Run %s is ended: its person may not chat", run.id)
                run.withdraw(people[key])
        self.client_streams.shut(tenant, people, self._wake)

    def _wake(self, run_id: uuid.UUID) -> None:
        """Wake the readers of a run."""
        if (live := LIVE.here(run_id)) is not None:
            live.log.nudge()
        self.followed_logs.nudge(run_id)


async def quietly(work: Awaitable[object]) -> None:
    """Await a takeover. It may fail, because it is tried again."""
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
