"""One look of a process at the rows of runs. Not for the event loop."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, field

from django.db.models import Q
from django.db.models.functions import Now

from ..models import Run
from ..querysets import RunQuerySet

# Seconds after which a reader in another process counts as gone.
PRESENCE_SECONDS = 5
# Seconds in which a run may begin and end without being seen: more than two looks.
RECENT_SECONDS = 5


def recent(runs: RunQuerySet) -> RunQuerySet:
    """Return those of the runs that go on or have begun since the look before."""
    age = datetime.timedelta(seconds=RECENT_SECONDS)
    return runs.filter(Q(status="running") | Q(created_at__gt=Now() - age))


@dataclass
class Seen:
    """What a look found.

    Attributes:
        lost: Live runs that another process has ended.
        stops: Live runs that somebody wants to stop.
        read_elsewhere: Live runs that another process has read of late.
        ended: Followed runs that have ended.
        busy: The runs of watched threads and those that ended of late, in order.
        dead: Whether a followed run has died.
    """

    lost: list[uuid.UUID] = field(default_factory=list)
    stops: list[uuid.UUID] = field(default_factory=list)
    read_elsewhere: list[uuid.UUID] = field(default_factory=list)
    ended: list[uuid.UUID] = field(default_factory=list)
    busy: list[tuple[str, uuid.UUID]] = field(default_factory=list)
    dead: bool = False


@dataclass(frozen=True)
class Look:
    """What there is to look at.

    Attributes:
        live: Runs of this process.
        followed: Runs of other processes that are read here.
        present: Those of them that have a reader for whom they go on.
        watched: Threads in which the next run is waited for.
        beats: Whether the live runs are due to say that they are alive.
    """

    live: list[uuid.UUID]
    followed: list[uuid.UUID]
    present: list[uuid.UUID]
    watched: list[str]
    beats: bool

    @property
    def is_due(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.live or self.followed or self.watched)

    def perform(self) -> Seen:
        """Do it."""
        seen = Seen()
        runs = Run.objects.all()
        if self.live:
            self._mine(seen)
        if self.followed:
            rows = runs.filter(pk__in=self.followed)
            present = runs.running().filter(pk__in=self.present)
            present.update(followed_at=Now())
            seen.dead = rows.stale().exists()
            alive = set(rows.running().values_list("pk", flat=True))
            seen.ended = [pk for pk in self.followed if pk not in alive]
        if self.watched:
            rows = recent(runs.filter(thread_id__in=self.watched))
            rows = rows.order_by("created_at")
            seen.busy = [(str(k), pk) for k, pk in rows.values_list("thread_id", "pk")]
        return seen

    def _mine(self, seen: Seen) -> None:
        rows = Run.objects.filter(pk__in=self.live).running()
        if self.beats:
            rows.beat()
        age = datetime.timedelta(seconds=PRESENCE_SECONDS)
        present = rows.filter(followed_at__gt=Now() - age)
        seen.read_elsewhere = list(present.values_list("pk", flat=True))
        stops = dict(rows.values_list("pk", "stop_requested_at"))
        seen.stops = [pk for pk, asked_at in stops.items() if asked_at is not None]
        seen.lost = [pk for pk in self.live if pk not in stops]
