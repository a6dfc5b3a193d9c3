"""Open streams, each with its reader, who may lose the right to read on."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import Context
from weakref import WeakSet

from django.utils.translation import gettext as _

from ..conf import Limits, settings
from ..context import RequestContext
from ..queries import standing
from ..queries.counted import address_of
from ..queries.limit_words import refused
from ..queries.standing import Standing

# Seconds in which a stream may end by itself, as that of the person's own run does.
GRACE_SECONDS = 2.0


class Door:
    """An open stream.

    Attributes:
        run_id: The run that is read; ``None`` for a watcher of a thread.
        context: Who reads it.
        shut: Whether the person may read no further.
        words: What staff say about that, maybe nothing.
    """

    def __init__(self, run_id: uuid.UUID | None, context: RequestContext) -> None:
        self.run_id = run_id
        self.context = context
        self.standing = standing.of(context)
        self.holders = {context.scope, address_of(context)} - {""}
        self.shut = False
        self.words = ""


class Doors:
    """The open streams of this process. One is forgotten with its response."""

    def __init__(self) -> None:
        self._doors: WeakSet[Door] = WeakSet()

    def open(self, run_id: uuid.UUID | None, context: RequestContext) -> Door:
        """Return a door, which the response keeps for as long as it is sent."""
        door = Door(run_id, context)
        self._doors.add(door)
        return door

    def close(self, door: Door | None) -> None:
        """Forget a door whose response is sent, if there is one."""
        if door is not None:
            self._doors.discard(door)

    def check(self, context: RequestContext, limits: Limits) -> None:
        """Refuse one stream more than a person may have open in this process.

        Raises:
            RequestRefused: If there are too many of the owner, or of visitors who have
                the same address.
        """
        most = {context.scope: limits.get("OPEN_STREAMS")}
        if address := address_of(context):
            most[address] = settings.limits_of_address().get("OPEN_STREAMS")
        number = Counter(holder for door in self._doors for holder in door.holders)
        for holder, limit in most.items():
            if limit is not None and number[holder] >= limit:
                text = _("This chat is open in too many places. Close some of them.")
                raise refused("OPEN_STREAMS", text, wait=10)

    @property
    def contexts(self) -> list[RequestContext]:
        """Return who reads: a person with an owner in a tenant once."""
        found = {
            (door.context.tenant, door.standing): door.context
            for door in self._doors
            if not door.shut
        }
        return list(found.values())

    def shut(
        self,
        tenant: str,
        ended: Mapping[Standing, str],
        wake: Callable[[uuid.UUID], None],
    ) -> None:
        """Shut the doors of those who may not chat any more, a moment later.

        Args:
            tenant: The tenant.
            ended: Who they are, with the words of staff.
            wake: Wakes the readers of a run, so that they see that their door is shut.
        """
        loop = asyncio.get_running_loop()

        def close(door: Door, words: str) -> None:
            door.shut, door.words = True, words
            if door.run_id is not None:
                wake(door.run_id)

        for door in self._doors:
            if door.context.tenant == tenant and door.standing in ended:
                words = ended[door.standing]
                loop.call_later(GRACE_SECONDS, close, door, words, context=Context())
