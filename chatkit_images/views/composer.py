"""The options of ChatKit.js that the server knows best."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..context import RequestContext
from ..protocol.composer import composer_options
from ..server import get_server
from .admission import JsonView, respond, unkept


class ComposerView(JsonView):
    """Says what the composer may send: files, models and tools."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the value of ChatKit.js's option ``composer``.

        ``{"attachments": {"enabled": true, "maxSize": ..., "maxCount": ..., "accept":
        {"image/png": [".png"]}}, "models": [...], "tools": [...]}``; without models or
        tools to choose from, their keys are left out.
        """
        return await respond(request, self.answer)

    async def answer(self, context: RequestContext) -> HttpResponseBase:
        """Return the options for an admitted request's person."""
        return unkept(await composer_options(get_server(), context))
