"""One poll of the rows of runs, for all runs and readers of a process and a tenant.

Nothing here is for the event loop.
"""

from __future__ import annotations

import datetime
import logging
import uuid
from dataclasses import dataclass, field

from django.db import Error
from django.db.models import Q

from ..context import RequestContext
from ..contexts import working_for
from ..failures import Reason
from ..models import Run
from ..queries import standing
from ..queries.standing import Standing
from ..querysets import RunQuerySet
from ..times import Now
from . import changes
from .changes import Change

logger = logging.getLogger(__name__)
# Seconds after which a reader in another process counts as gone.
PRESENCE_SECONDS = 5
# Seconds for which a run that has begun is found, so that polls do not miss a short
# one: more than two polls.
RECENT_SECONDS = 5
STOP_COLUMNS = ("stop_requested_at", "reason", "failure")


def recent(runs: RunQuerySet) -> RunQuerySet:
    """Return the runs that are running, or were ``RECENT_SECONDS`` ago.

    Their heartbeats say so, the first of which is the claim. The database's clock has
    written them; ``created_at`` is of the clock of the run's host.
    """
    age = datetime.timedelta(seconds=RECENT_SECONDS)
    return runs.filter(Q(status="running") | Q(heartbeat_at__gt=Now() - age))


@dataclass
class PollResult:
    """What a poll found.

    Attributes:
        lost: Runs of this process that another process has ended.
        stops: Runs of this process that their people want to stop.
        withdrawn: Those that staff want to stop, with the words of staff.
        read_elsewhere: Runs of this process that have readers in another process.
        ended: Followed runs that have ended.
        busy: Watched threads and their recent runs, oldest first.
        changes: Items of open threads that are to be shown anew.
        decisions: The keys of the recent decisions that are told, for the next poll.
        dead: Whether a followed run has died.
        ended_people: Who may not chat any more, with the words of staff.
    """

    lost: list[uuid.UUID] = field(default_factory=list)
    stops: list[uuid.UUID] = field(default_factory=list)
    withdrawn: dict[uuid.UUID, str] = field(default_factory=dict)
    read_elsewhere: list[uuid.UUID] = field(default_factory=list)
    ended: list[uuid.UUID] = field(default_factory=list)
    busy: list[tuple[str, uuid.UUID]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    decisions: set[int] = field(default_factory=set)
    dead: bool = False
    ended_people: dict[Standing, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Poll:
    """What to ask the database of a tenant.

    Attributes:
        with_heartbeat: Whether to write the heartbeats of the claimed runs.
        context: Whose work selects the tenant; ``None`` where there is one for all.
        claimed: Runs of this process that have their claim.
        followed: Runs of other processes that are read here.
        present: Followed runs that have a reader here, and not only watchers.
        watched: Threads whose next run a watcher waits for.
        people: Who has a claimed run, or reads a stream.
        threads: The threads of claimed runs and watchers, and for whom each is read.
        known: The decisions that earlier polls have told of.
    """

    with_heartbeat: bool
    context: RequestContext | None = None
    claimed: list[uuid.UUID] = field(default_factory=list)
    followed: list[uuid.UUID] = field(default_factory=list)
    present: list[uuid.UUID] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    people: list[RequestContext] = field(default_factory=list)
    threads: dict[str, RequestContext] = field(default_factory=dict)
    known: frozenset[int] = frozenset()

    def perform(self) -> PollResult:
        """Ask the database, and write heartbeats and the presence of readers."""
        with working_for(self.context):
            return self._perform()

    def _perform(self) -> PollResult:
        result = PollResult()
        runs = Run.objects.all()
        if self.claimed:
            self._poll_claimed(result)
        if self.followed:
            rows = runs.filter(pk__in=self.followed)
            present = runs.running().filter(pk__in=self.present)
            present.update(followed_at=Now())
            result.dead = rows.stale().exists()
            alive = set(rows.running().values_list("pk", flat=True))
            result.ended = [pk for pk in self.followed if pk not in alive]
        if self.watched:
            rows = recent(runs.filter(thread_id__in=self.watched))
            found = rows.order_by("created_at").values_list("thread_id", "pk")
            result.busy = [(str(key), pk) for key, pk in found]
        if self.threads:
            result.changes, result.decisions = changes.find(self.threads, self.known)
        try:
            result.ended_people = standing.ended(self.people)
        except Error:
            # Users may be in another database, which must not hold up heartbeats.
            logger.warning("Nobody knows who may still chat", exc_info=True)
        return result

    def _poll_claimed(self, result: PollResult) -> None:
        rows = Run.objects.filter(pk__in=self.claimed).running()
        if self.with_heartbeat:
            rows.beat()
        age = datetime.timedelta(seconds=PRESENCE_SECONDS)
        present = rows.filter(followed_at__gt=Now() - age)
        result.read_elsewhere = list(present.values_list("pk", flat=True))
        found = {row["pk"]: row for row in rows.values("pk", *STOP_COLUMNS)}
        for pk, row in found.items():
            if row["stop_requested_at"] is None:
                continue
            if row["reason"] == Reason.STOPPED_BY_STAFF:
                result.withdrawn[pk] = str((row["failure"] or {}).get("words", ""))
            else:
                result.stops.append(pk)
        result.lost = [pk for pk in self.claimed if pk not in found]
