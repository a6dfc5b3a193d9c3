"""How long each owner's things are kept, asked once in a job."""

from __future__ import annotations

import datetime
import logging

from django.utils import timezone

from ..conf import settings
from ..conf.retention import Retention
from ..contexts import context_class
from ..queries import owners
from ..server.loading import get_server
from ..server.retention import by_settings, differs_by_owner, retention_of

logger = logging.getLogger(__name__)
# Owners of whom a job knows the answer; of more, some are asked again.
MOST_KNOWN = 100_000


class OwnersRetention:
    """Says what is past its time.

    Attributes:
        now: When the job began: the time of all of its decisions.
        failed: Owners for whom the project's method has failed. All they have is kept.
    """

    def __init__(self) -> None:
        self.now = timezone.now()
        self.failed = 0
        self._default = by_settings()
        self._server = None if settings.SERVER is None else get_server()
        self._differs = differs_by_owner(self._server)
        self._known: dict[str, Retention] = {}

    def limit_of(self, kind: str, owner: str) -> datetime.datetime | None:
        """Return before when the time of what is past it began; ``None``: never."""
        return self._before(self._of(owner).get(kind))

    def common_limit(self, kind: str) -> datetime.datetime | None:
        """Return the same for whoever has no retention of their own."""
        return self._before(self._default.get(kind))

    def applies(self, kind: str) -> bool:
        """Whether rows of a kind may be past their time at all."""
        return self._differs or self._default.get(kind) is not None

    @property
    def differs(self) -> bool:
        """Whether owners are asked about."""
        return self._differs

    def _before(self, age: datetime.timedelta | None) -> datetime.datetime | None:
        return None if age is None else self.now - age

    def _of(self, owner: str) -> Retention:
        # What a deleted owner has used is nobody's.
        if not self._differs or not owner:
            return self._default
        if owner not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[owner] = self._ask(owner)
        return self._known[owner]

    def _ask(self, owner: str) -> Retention:
        try:
            user = owners.user_of(owner)
            context = context_class().for_owner(owner, user)
            return retention_of(self._server, context)
        except Exception:
            # The project's method may raise anything. The others have their turn.
            logger.exception(
                "get_retention() has failed for %s; all that they have is kept", owner
            )
            self.failed += 1
            return {}
