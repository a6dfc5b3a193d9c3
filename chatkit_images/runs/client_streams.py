"""Streams that clients read here. Their people may lose the right to read on."""

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
from ..queries.counted_limits import address_of
from ..queries.limit_words import refused
from ..queries.standing import Standing

# Seconds in which a stream may end by itself, as that of the person's own run does.
GRACE_SECONDS = 2.0


class ClientStream:
    """A stream that one client reads, as long as it is open.

    Attributes:
        run_id: The run that is read; ``None`` for a watcher of a thread.
        context: Who reads it.
        standing: What tells whether they still may chat.
        holders: Whose ``OPEN_STREAMS`` it counts for.
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


class ClientStreams:
    """All of them. One is forgotten with its response, even if nobody closes it."""

    def __init__(self) -> None:
        self._streams: WeakSet[ClientStream] = WeakSet()

    def open(self, run_id: uuid.UUID | None, context: RequestContext) -> ClientStream:
        """Count a stream; the response keeps it for as long as it is sent."""
        stream = ClientStream(run_id, context)
        self._streams.add(stream)
        return stream

    def close(self, stream: ClientStream | None) -> None:
        """Forget a stream whose response is sent, if there is one."""
        if stream is not None:
            self._streams.discard(stream)

    def check(self, context: RequestContext, limits: Limits) -> None:
        """Refuse one stream more than a person may have open in this process.

        Raises:
            RequestRefused: If there are too many of the owner, or of visitors who have
                the same address.
        """
        most = {context.scope: limits.get("OPEN_STREAMS")}
        if address := address_of(context):
            most[address] = settings.limits_of_address().get("OPEN_STREAMS")
        number = Counter(
            holder for stream in self._streams for holder in stream.holders
        )
        for holder, limit in most.items():
            if limit is not None and number[holder] >= limit:
                text = _("This chat is open in too many places. Close some of them.")
                raise refused("OPEN_STREAMS", text, wait=10)

    @property
    def contexts(self) -> list[RequestContext]:
        """Return who reads: a person with an owner in a tenant once."""
        found = {
            (stream.context.tenant, stream.standing): stream.context
            for stream in self._streams
            if not stream.shut
        }
        return list(found.values())

    def shut(
        self,
        tenant: str,
        ended: Mapping[Standing, str],
        wake: Callable[[uuid.UUID], None],
    ) -> None:
        """Shut the streams of those who may not chat any more, a moment later.

        Args:
            tenant: The tenant.
            ended: Who they are, with the words of staff.
            wake: Wakes the readers of a run, who then see that their stream is shut.
        """
        loop = asyncio.get_running_loop()

        def close(stream: ClientStream, words: str) -> None:
            stream.shut, stream.words = True, words
            if stream.run_id is not None:
                wake(stream.run_id)

        for stream in self._streams:
            if stream.context.tenant == tenant and stream.standing in ended:
                words = ended[stream.standing]
                loop.call_later(GRACE_SECONDS, close, stream, words, context=Context())
