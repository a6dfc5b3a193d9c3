"""The turns of the agent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from .. import models, notes, reports, runs, times
from ..cleaning import clip
from ..failures import Reason
from .base import ReadOnlyModelAdmin, count_of
from .failure_fields import FailureFields
from .filters import ValueFilter
from .markup import duration, phase_list, pretty
from .row_actions import OwnerActions, log


@admin.register(models.Run)
class RunAdmin(OwnerActions, FailureFields, ReadOnlyModelAdmin):
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
    actions = ["stop", "block_owners", "unblock_owners"]
    row_actions = ("stop", *OwnerActions.row_actions)
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
        (
            _("Reason"),
            {"fields": [("reason", "error_code"), "remedy", "error", "failure_json"]},
        ),
        (
            _("Time"),
            {
                "fields": [
                    ("created_at", "finished_at", "took"),
                    ("requested_at", "first_event_at"),
                    "phases",
                ]
            },
        ),
        (_("Worker"), {"fields": [("worker", "heartbeat")]}),
        (
            _("Generation"),
            {
                "fields": [
                    ("requested_model", "requested_tool", "model"),
                    ("provider", "response_id", "request_id"),
                    "image_count",
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
        "phases",
        "heartbeat",
        "usage_json",
        "tool_usage_json",
        "failure_json",
        "remedy",
        "image_count",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the runs with the number of their images."""
        images = count_of(models.GeneratedImage, "run")
        runs = super().get_queryset(request)
        counted: QuerySet[Any] = runs.annotate(images_of_run=images)
        return counted

    def makes_sense(self, action: str, row: Any) -> bool:
        """Return whether there is something to stop, too."""
        running = row.status == models.Run.Status.RUNNING
        return (action != "stop" or running) and super().makes_sense(action, row)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change runs, though no page does."""
        codename = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return bool(request.user.has_perm(codename))

    @admin.action(permissions=["stop"], description=_("Stop the run"))
    def stop(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        """End runs, in whatever process they are, with words."""
        running = models.Run.objects.running().filter(pk__in=queryset.values("pk"))
        rows = list(running)
        if not rows:
            text = gettext("No run of these is running.")
            self.message_user(request, text, messages.WARNING)
            return self.back(request)
        if "words" not in request.POST:
            return self.ask_words(
                request,
                running,
                "stop",
                title=gettext("Stop the run"),
                question=gettext("These answers end within seconds:"),
                listed=rows,
                standard=str(notes.WORDS[Reason.STOPPED_BY_STAFF]),
            )
        words = request.POST["words"].strip()
        stopped = set(runs.stop_by_staff(running, words))
        log(
            request,
            [row for row in rows if row.pk in stopped],
            CHANGE,
            [{"changed": {"fields": [str(_("stop requested"))]}}],
        )
        text = ngettext("%(n)d run ends.", "%(n)d runs end.", len(stopped))
        self.message_user(request, text % {"n": len(stopped)}, messages.SUCCESS)
        return self.back(request)

    @admin.display(description=_("started"), ordering="created_at")
    def started(self, obj: models.Run) -> Any:
        """Show when it began."""
        return obj.created_at

    @admin.display(description=_("heartbeat"))
    def heartbeat(self, obj: models.Run) -> Any:
        """Show when its process said last that it is alive."""
        return times.of_clock(obj.heartbeat_at)

    @admin.display(description=_("where the time went"))
    def phases(self, obj: models.Run) -> SafeString | str:
        """Show each phase with its seconds."""
        return phase_list(reports.phases_of(obj))

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

    @admin.display(description=_("usage of tools"))
    def tool_usage_json(self, obj: models.Run) -> SafeString | str:
        """Show what the provider's tools have used."""
        return pretty(obj.tool_usage)

    @admin.display(description=_("token usage"))
    def usage_json(self, obj: models.Run) -> SafeString | str:
        """Show the usage."""
        return pretty(obj.usage)
