"""What a person can name in a message, and its previews."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..context import RequestContext
from ..exceptions import NotFoundError
from ..protocol.entities import entities_for, preview_for
from ..server import get_server
from .admission import JsonView, respond, unkept


class EntitiesView(JsonView):
    """Finds entities for ChatKit.js's ``entities.onTagSearch``."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return ``{"entities": [...]}`` for the words in ``?q=``."""
        return await respond(request, self.answer, request)

    async def answer(
        self, context: RequestContext, request: HttpRequest
    ) -> HttpResponseBase:
        """Return what an admitted request's person can name."""
        query = request.GET.get("q", "")
        found = await entities_for(get_server(), query, context)
        return unkept({"entities": found})


class EntityView(JsonView):
    """Shows one entity, for ChatKit.js's ``entities.onRequestPreview``."""

    async def get(self, request: HttpRequest, entity_id: str) -> HttpResponseBase:
        """Return ``{"preview": {...}}``; 404 for what is not there, or another's."""
        return await respond(request, self.answer, entity_id)

    async def answer(self, context: RequestContext, entity_id: str) -> HttpResponseBase:
        """Return the preview for an admitted request's person."""
        preview = await preview_for(get_server(), entity_id, context)
        if preview is None:
            raise NotFoundError(f"Entity {entity_id} not found")
        return unkept({"preview": preview})
