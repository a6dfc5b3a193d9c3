"""The turns of the agent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models, times
from .base import ReadOnlyModelAdmin, count_of
from .filters import ValueFilter
from .markup import clip, duration, pretty


@admin.register(models.Run)
class RunAdmin(ReadOnlyModelAdmin):
    """The pages of runs: who asked, how long a run took, how it ended."""

    list_display = [
        "started",
        "state",
        "took",
        "image_count",
        "conversation",
        "person",
        "reason",
        "error_text",
        "operation",
        "worker",
    ]
    list_select_related = ["thread", "user"]
    date_hierarchy = "created_at"
    list_filter = [
        "status",
        ("reason", ValueFilter),
        "operation",
        ("requested_model", ValueFilter),
        "created_at",
    ]
    search_fields = [
        "id",
        "error_code",
        "thread__id",
        "thread__title",
        "response_id",
        "safety_identifier",
        "worker",
    ]
    search_help_text = _(
        "Id of run, thread or response, title, worker, safety identifier, owner"
    )
    fieldsets = [
        (None, {"fields": [("state", "operation"), ("thread", "person"), "language"]}),
        (_("Reason"), {"fields": [("reason", "error_code"), "error", "failure_json"]}),
        (_("Time"), {"fields": [("created_at", "finished_at", "took")]}),
        (_("Worker"), {"fields": [("worker", "heartbeat")]}),
        (
            _("Generation"),
            {
                "fields": [
                    ("requested_model", "requested_tool"),
                    ("response_id", "image_count"),
                    ("usage_json", "tool_usage_json"),
                    "safety_identifier",
                ]
            },
        ),
    ]
    readonly_fields = [
        "state",
        "person",
        "language",
        "took",
        "heartbeat",
        "usage_json",
        "tool_usage_json",
        "failure_json",
        "image_count",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the runs with the number of their images."""
        images = count_of(models.GeneratedImage, "run")
        runs = super().get_queryset(request)
        counted: QuerySet[Any] = runs.annotate(images_of_run=images)
        return counted

    @admin.display(description=_("started"), ordering="created_at")
    def started(self, obj: models.Run) -> Any:
        """Show when it began."""
        return obj.created_at

    @admin.display(description=_("heartbeat"))
    def heartbeat(self, obj: models.Run) -> Any:
        """Show when its process said last that it is alive."""
        return times.of_clock(obj.heartbeat_at)

    @admin.display(description=_("duration"))
    def took(self, obj: models.Run) -> str:
        """Show seconds."""
        return duration(obj.created_at, obj.finished_at)

    @admin.display(description=_("language"))
    def language(self, obj: models.Run) -> str:
        """Show in which language the person reads."""
        return str((obj.context or {}).get("locale", ""))

    @admin.display(description=_("images"), ordering="images_of_run")
    def image_count(self, obj: Any) -> int:
        """Show the number of images."""
        return int(obj.images_of_run)

    @admin.display(description=_("error"))
    def error_text(self, obj: models.Run) -> str:
        """Show the beginning of the error."""
        return clip(obj.error, 80)

    @admin.display(description=_("failure"))
    def failure_json(self, obj: models.Run) -> SafeString | str:
        """Show what the provider or the app said about it."""
        return pretty(obj.failure)

    @admin.display(description=_("usage of tools"))
    def tool_usage_json(self, obj: models.Run) -> SafeString | str:
        """Show what the provider's tools have used."""
        return pretty(obj.tool_usage)

    @admin.display(description=_("token usage"))
    def usage_json(self, obj: models.Run) -> SafeString | str:
        """Show the usage."""
        return pretty(obj.usage)
