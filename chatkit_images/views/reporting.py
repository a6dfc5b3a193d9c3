"""People report images to the staff of the site."""

from __future__ import annotations

import uuid

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from pydantic import BaseModel, Field

from .. import database
from ..context import RequestContext
from ..queries import reviews
from .admission import JsonView, respond, unkept
from .chat import read_body


class Report(BaseModel):
    """What a person says about an image."""

    reason: str = Field(default="", max_length=reviews.MOST_REASON)


class ReportView(JsonView):
    """Puts an image into the queue of staff, for the person who has it."""

    async def post(self, request: HttpRequest, key: uuid.UUID) -> HttpResponseBase:
        """Take ``{"reason": "..."}`` and return ``{"reported": true}``.

        An image that is not one of the person's is a 404.
        """
        return await respond(request, self.answer, request, key)

    async def answer(
        self, context: RequestContext, request: HttpRequest, key: uuid.UUID
    ) -> HttpResponseBase:
        """Note the report of an admitted request's person."""
        said = Report.model_validate_json(read_body(request))
        await database.call(reviews.report, key, said.reason, context)
        return unkept({"reported": True})
