"""The turns of the agent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models, reports, times
from ..cleaning import clip
from .base import ReadOnlyModelAdmin
from .failure_fields import FailureFields
from .filled_fields import filled_fieldsets
from .filters import ChoicesFilter, ReasonFilter
from .lists import OwnerFilter, PeriodFilter, RecentValuesFilter
from .lists.counts import add_counts
from .live_rows import LiveRows
from .markup import duration, phase_list, pretty, words_of
from .panel import WithPanel
from .run_pages import RunSummary
from .run_words import operation_of, title_of
from .thread_actions import ThreadActions


@admin.register(models.Run)
class RunAdmin(ThreadActions, WithPanel, LiveRows, FailureFields, ReadOnlyModelAdmin):
    """The pages of runs: who asked, how long a run took, how it ended."""

    list_display = [
        "started",
        "state",
        "ended_by",
        "took",
        "image_count",
        "conversation",
        "person",
        "asked_for",
    ]
    list_select_related = ["thread", "user"]
    list_empty = _("A run appears here with each message that somebody sends.")
    actions = ["stop", "lock_threads", "block_owners", "unblock_owners"]
    run_fields = ("pk", "pk")
    list_filter = [
        OwnerFilter,
        ("created_at", PeriodFilter),
        ("status", ChoicesFilter),
        ReasonFilter,
        ("requested_model", RecentValuesFilter),
    ]
    search_keys = ("pk", "thread_id")
    search_fields = [
        "error",
        "error_code",
        "response_id",
        "safety_identifier",
        "worker",
    ]
    search_help_text = _(
        "Id of run, thread or response, error, worker, safety identifier, user name, "
        "key of an owner"
    )
    fieldsets = [
        (
            _("What the provider, or the app, said"),
            {"fields": ["error_code", "error", "failure_json"]},
        ),
        (
            _("Where the time went"),
            {
                "classes": ["collapse"],
                "fields": [
                    ("created_at", "finished_at", "took"),
                    ("requested_at", "first_event_at"),
                    "phases",
                ],
            },
        ),
        (
            _("Technical"),
            {
                "classes": ["collapse"],
                "fields": [
                    ("requested_model", "requested_tool", "model"),
                    ("provider", "response_id", "request_id"),
                    ("usage_json", "tool_usage_json"),
                    ("operation", "language"),
                    ("worker", "heartbeat"),
                    ("id", "safety_identifier"),
                ],
            },
        ),
    ]
    readonly_fields = [
        "language",
        "took",
        "phases",
        "heartbeat",
        "usage_json",
        "tool_usage_json",
        "failure_json",
    ]

    def prepare_rows(self, rows: list[Any]) -> None:
        """Add the numbers of images."""
        add_counts(rows, models.GeneratedImage, "run", "images_of_run")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is known of a run, and nothing that is not."""
        return filled_fieldsets(self, obj, super().get_fieldsets(request, obj))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add how it ended, and a title that people can read."""
        run = context["original"]
        context["summary"] = RunSummary(self.admin_site, request, run)
        context["subtitle"] = title_of(run)
        return super().render_change_form(request, context, *args, **kwargs)

    def is_running(self, row: Any) -> bool:
        """Return whether it goes on."""
        return bool(row.status == models.Run.Status.RUNNING)

    is_live = is_running

    def state_of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return what changes while a run goes on, its images included."""
        found = models.Run.objects.filter(pk__in=rows.order_by().values("pk"))
        return found.annotate(
            begun=Count("images"),
            ended=Count("images__finished_at"),
            previews=Sum("images__partial_count"),
        ).values_list("status", "stop_requested_at", "begun", "ended", "previews")

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change runs, though no page does."""
        codename = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return bool(request.user.has_perm(codename))

    @admin.display(description=_("started"))
    def started(self, obj: models.Run) -> Any:
        """Show when it began."""
        return obj.created_at

    @admin.display(description=_("for a"))
    def asked_for(self, obj: models.Run) -> str:
        """Show what the person did."""
        return operation_of(obj)

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

    @admin.display(description=_("images"))
    def image_count(self, obj: Any) -> str:
        """Show the number of images."""
        if not hasattr(obj, "images_of_run"):
            self.prepare_rows([obj])
        return str(obj.images_of_run)

    @admin.display(description=_("reason"))
    def ended_by(self, obj: models.Run) -> SafeString | str:
        """Show why it has no result, with the beginning of the error."""
        reason = words_of(obj.reason)
        if not obj.error:
            return reason
        told = clip(obj.error, 120)
        return format_html('{} <span class="ck-told">{}</span>', reason, told)

    @admin.display(description=_("usage of tools"))
    def tool_usage_json(self, obj: models.Run) -> SafeString | str:
        """Show what the provider's tools have used."""
        return pretty(obj.tool_usage)

    @admin.display(description=_("token usage"))
    def usage_json(self, obj: models.Run) -> SafeString | str:
        """Show the usage."""
        return pretty(obj.usage)
