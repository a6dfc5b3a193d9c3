"""What a person may use, as the project's server says."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from asgiref.sync import async_to_sync
from chatkit.server import ChatKitServer

from .. import database
from ..awaiting import awaited
from ..conf import Limits, checked_limits
from ..context import RequestContext
from ..contexts import context_class, working_for
from ..queries import limits_left
from ..queries.limits import by_settings


class LimitMixin(ChatKitServer[RequestContext]):
    """Lets a project decide how much each person may use."""

    def get_limits(
        self, context: RequestContext
    ) -> Mapping[str, int | None] | Awaitable[Mapping[str, int | None]]:
        """Return what a person may use. Default: what the setting ``LIMITS`` says.

        Override it for limits per plan, such as
        ``{**super().get_limits(context), "IMAGES_PER_DAY": 500}``; it may be
        asynchronous. A key that is left out keeps its default, and ``None`` is no
        limit. It is called for each run, each upload and each stream.
        """
        return by_settings(context)

    async def limits_left(self, context: RequestContext) -> dict[str, Any]:
        """Return what a person has left, as the route ``limits/`` says it."""
        return await left_for(self, context)


async def limits_for(
    server: ChatKitServer[RequestContext], context: RequestContext
) -> Limits:
    """Return what a person may use, whatever class the project's server has.

    Raises:
        TypeError: If ``get_limits()`` returns no limits.
        ValueError: If it names one that is not there.
    """
    limits = by_settings(context)
    if isinstance(server, LimitMixin):
        limits |= checked_limits(await awaited(server.get_limits(context)))
    return limits


async def left_for(
    server: ChatKitServer[RequestContext], context: RequestContext
) -> dict[str, Any]:
    """Return what a person has left, whatever class the project's server has."""
    limits = await limits_for(server, context)
    return await database.call(limits_left.left, context, limits)


def left_of_owner(
    server: ChatKitServer[RequestContext] | None, owner: str, user: Any
) -> dict[str, Any]:
    """Return what an owner has left, for staff. Not for the event loop.

    Args:
        server: The project's server; ``None`` if it has none.
        owner: The isolation key.
        user: The user whose own key it is, if it is one's.

    Raises:
        TypeError: If ``get_limits()`` returns no limits.
        ValueError: If it names one that is not there.
        Exception: The method's own.
    """
    context = context_class().for_owner(owner, user)
    limits = by_settings(context)
    if isinstance(server, LimitMixin):
        with working_for(context):
            answer = server.get_limits(context)
            limits |= checked_limits(async_to_sync(awaited)(answer))
    return limits_left.left(context, limits)
