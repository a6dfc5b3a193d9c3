"""What a person may still use."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..context import RequestContext
from ..protocol.limits import left_for
from ..server import get_server
from .admission import JsonView, respond, unkept


class LimitsView(JsonView):
    """Says what a person may still use, before it is used up."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the limits, and in ``stopped`` the words of staff, if any.

        ``{"limits": {"IMAGES_PER_DAY": {"limit": 20, "used": 3, "left": 17,
        "renewed_in": 3600}, ...}, "stopped": null}``; ``renewed_in`` is in seconds.
        """
        return await respond(request, self.answer)

    async def answer(self, context: RequestContext) -> HttpResponseBase:
        """Return the limits of an admitted request's person."""
        return unkept(await left_for(get_server(), context))
