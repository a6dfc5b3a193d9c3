"""A person's chats by their last use; ChatKit's own list is by their beginning."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.dateparse import parse_datetime
from django.views.generic import View

from chatkit_images import models
from chatkit_images.cleaning import clean
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import AuthenticationRequired

PAGE = 30


class ChatsView(View):
    """Pages of a person's chats, the one that was used last comes first."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return ``{"data": [...], "after": "..."}``.

        ``?after=`` is that of the page before, ``?find=`` a part of the titles.
        """
        try:
            context = RequestContext.from_request(request)
        except AuthenticationRequired as refusal:
            return JsonResponse({"error": {"message": str(refusal)}}, status=401)
        running = models.Run.objects.running().filter(thread=OuterRef("pk"))
        rows = models.Thread.objects.for_owner(context.owner)
        if words := clean(request.GET.get("find", "")).strip()[:100]:
            rows = rows.filter(title__icontains=words)
        if position := read_position(request.GET.get("after", "")):
            at, key = position
            rows = rows.filter(Q(updated_at__lt=at) | Q(updated_at=at, pk__lt=key))
        rows = rows.annotate(drawing=Exists(running)).order_by("-updated_at", "-pk")
        page = list(rows[: PAGE + 1])
        last = page[PAGE - 1] if len(page) > PAGE else None
        response = JsonResponse(
            {
                "data": [told(row) for row in page[:PAGE]],
                "after": f"{last.updated_at.isoformat()} {last.pk}" if last else None,
            }
        )
        response["Cache-Control"] = "no-store"
        return response


def told(row: Any) -> dict[str, Any]:
    """Return a chat as the page shows it."""
    return {
        "id": row.pk,
        "title": row.title,
        "updated_at": row.updated_at.isoformat(),
        "drawing": row.drawing,
    }


def read_position(text: str) -> tuple[datetime.datetime, str] | None:
    """Return where a page ended, ``None`` if the text does not say it."""
    at, _, key = clean(text).partition(" ")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not key:
        return None
    return moment, key[:64]
