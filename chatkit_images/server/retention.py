"""How long a person's things are kept, as the project's server says."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from asgiref.sync import async_to_sync
from chatkit.server import ChatKitServer

from ..awaiting import awaited
from ..conf import settings
from ..conf.retention import CLASSES, Age, Retention, checked_retention
from ..context import RequestContext
from ..contexts import working_for


class RetentionMixin(ChatKitServer[RequestContext]):
    """Lets a project decide how long each owner's things are kept."""

    def get_retention(
        self, context: RequestContext
    ) -> Mapping[str, Age | None] | Awaitable[Mapping[str, Age | None]]:
        """Return how long an owner's things are kept. Default: as ``RETENTION`` says.

        Override it for plans, such as ``{**super().get_retention(context), "THREADS":
        None}``. Values are days or ``timedelta``s, ``None`` keeps for ever; a key that
        is left out is as the setting has it. The job that deletes asks once for each
        owner that has anything, in a thread where it may query the database; it may be
        asynchronous as well. ``context.user`` is the user whose own key the owner is,
        if they are still there; there is no request and no address. If it raises, the
        job keeps all that the owner has, and logs why.
        """
        return settings.RETENTION


def by_settings() -> Retention:
    """Return how long things are kept, as the setting ``RETENTION`` says.

    Raises:
        TypeError: If it is no retention; a check says so.
        ValueError: Likewise.
    """
    return dict.fromkeys(CLASSES) | checked_retention(settings.RETENTION)


def differs_by_owner(server: ChatKitServer[RequestContext] | None) -> bool:
    """Whether a server decides for each owner."""
    return (
        isinstance(server, RetentionMixin)
        and type(server).get_retention is not RetentionMixin.get_retention
    )


def retention_of(
    server: ChatKitServer[RequestContext] | None, context: RequestContext
) -> Retention:
    """Return how long an owner's things are kept, whatever class the server has.

    Not for the event loop.

    Raises:
        TypeError: If ``get_retention()`` returns no retention.
        ValueError: If it names what is not there, or a time not above 0.
        Exception: The method's own.
    """
    found = by_settings()
    if isinstance(server, RetentionMixin):
        with working_for(context):
            answer = server.get_retention(context)
            found |= checked_retention(async_to_sync(awaited)(answer))
    return found
