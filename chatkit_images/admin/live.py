"""Images that are being generated now, in whichever process, as they form."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from .. import models
from .live_rows import LiveRows
from .live_tiles import LiveTile
from .panel import WithPanel
from .snapshots import MOST_ASKED, REMEMBERED, Asked, Snapshots, key_of

Status = models.GeneratedImage.Status
# Seconds for which a process shows everybody the same, and images that it shows.
FRESH, MOST = 1.0, 100
# Images that are remembered, to be told how they end.
MOST_KNOWN = 200
snapshots = Snapshots(FRESH)


@dataclass(frozen=True)
class Forming:
    """What was read at one moment.

    Attributes:
        images: Images that form, the newest first, and some that have just ended.
        looked_for: What was looked for by name, so that what is not there is gone.
        known: Images that have formed a moment ago, each with the time until which it
            is told how they have ended.
    """

    images: list[Any]
    looked_for: frozenset[Any]
    known: dict[Any, float]


def read(rows: QuerySet[Any], asked: Asked, before: Forming | None) -> Forming:
    """Return the images of rows that form, in one statement.

    Args:
        rows: The images that somebody may see.
        asked: Images that are asked for by name. However many others form, these are
            told, so that what is not told is gone.
        before: What was read the last time. How have those ended that formed then?
    """
    now = monotonic()
    known = {} if before is None else before.known
    known = {key: until for key, until in known.items() if until > now}
    names = list(asked)
    wanted = rows.filter(Q(status=Status.GENERATING) | Q(pk__in=[*names, *known]))
    # Without names it would be a number, which databases take for a column.
    first = [Case(When(pk__in=names, then=0), default=1)] if names else []
    ordered = wanted.order_by(*first, "-created_at", "-pk")
    found = list(ordered[: 2 * MOST])
    found.sort(key=lambda image: (image.created_at, image.pk), reverse=True)
    for image in found:
        if image.status == Status.GENERATING:
            known[image.pk] = now + REMEMBERED
    newest = dict(sorted(known.items(), key=lambda each: -each[1])[:MOST_KNOWN])
    return Forming(found, frozenset(names), newest)


class LivePages(WithPanel, LiveRows):
    """The page of images that form, and what it and the gallery ask each second."""

    def get_urls(self) -> list[URLPattern]:
        """Put the routes before the pages, whose last pattern matches everything."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_live"
        view = self.admin_site.admin_view
        return [
            path("live/", view(self.live_view), name=name),
            path("live/images/", view(self.live_images_view), name=f"{name}_images"),
            *super().get_urls(),
        ]

    def is_live(self, row: Any) -> bool:
        """Return whether an image forms, or its answer is still being written."""
        going = row.run is not None and row.run.status == models.Run.Status.RUNNING
        return bool(row.status == Status.GENERATING or going)

    def state_of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return what changes while an image forms."""
        columns = ("status", "partial_count", "visibility", "run__status")
        return rows.values_list(*columns)

    def get_live_url(self, suffix: str = "") -> str:
        """Return the address of the page, or of what it asks."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_live{suffix}"
        return reverse(name, current_app=self.admin_site.name)

    @method_decorator(require_safe)
    def live_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the images that form, and those that end while the page is open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": gettext("Being generated now"),
            "live_url": self.get_live_url("_images"),
        }
        request.current_app = self.admin_site.name
        template = "admin/chatkit_images/generatedimage/live.html"
        return TemplateResponse(request, template, context)

    @method_decorator(require_safe)
    def live_images_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the images that form; 204 if that is what the page has already.

        The query may name images of the page that the answer before did not have
        (``ids``), and the version of that answer (``have``).
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows, ids = self.get_queryset(request), keys_of(request.GET.get("ids", ""))
        forming: Forming = snapshots.get(
            key_of(request, rows), lambda *before: read(rows, *before), ids
        )
        there = {image.pk for image in forming.images}
        gone = [str(key) for key in ids if key in forming.looked_for - there]
        images = [LiveTile(self, row).to_json(request) for row in forming.images]
        told = json.dumps([images, gone])
        version = hashlib.sha256(told.encode()).hexdigest()[:16]
        if version == request.GET.get("have"):
            return HttpResponse(status=204)
        now = round(timezone.now().timestamp() * 1000)
        answer = {"version": version, "now": now, "images": images, "gone": gone}
        return JsonResponse(answer)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Add where the gallery asks for images that form."""
        context = {
            "live_url": self.get_live_url("_images"),
            "live_page": self.get_live_url(),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)


def keys_of(text: str) -> list[uuid.UUID]:
    """Return the keys in a query; what is none, and what is too much, is left out."""
    found = []
    for word in text.split(",")[:MOST_ASKED]:
        try:
            found.append(uuid.UUID(word))
        except ValueError:
            continue
    return found
