"""Conversations, and the actions that end them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import QuerySet, TextField
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .. import models
from .base import ChatKitModelAdmin, count_of, page_url
from .filters import HasImagesFilter
from .markup import name_of, pretty
from .row_actions import OwnerActions
from .transcript import Transcript

Status = models.Thread.Status
TECHNICAL = ("id", "owner", "metadata_json", "domains_json")


class ThreadActionForm(ActionForm):
    """Asks for a reason as well."""

    reason = forms.CharField(
        label=_("Reason:"), required=False, widget=forms.TextInput({"size": 16})
    )


@admin.register(models.Thread)
class ThreadAdmin(OwnerActions, ChatKitModelAdmin):
    """The list of threads, and a page with the transcript."""

    list_display = [
        "name",
        "person",
        "state",
        "item_count",
        "image_count",
        "created_at",
        "updated_at",
    ]
    list_select_related = ["user"]
    date_hierarchy = "created_at"
    list_filter = ["status", "created_at", HasImagesFilter]
    search_fields = ["id", "title"]
    search_help_text = _("Title, id, owner")
    action_form = ThreadActionForm
    actions = ["lock", "close", "reopen", "block_owners", "unblock_owners"]
    fieldsets = [
        (None, {"fields": ["title", "status", "status_reason"]}),
        (
            _("About"),
            {"fields": [("person", "image_count"), ("created_at", "updated_at")]},
        ),
        (_("Technical"), {"fields": TECHNICAL, "classes": ["collapse"]}),
    ]
    readonly_fields = ["person", "image_count", "created_at", "updated_at", *TECHNICAL]
    formfield_overrides = {
        TextField: {"widget": AdminTextareaWidget({"rows": 3})},
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the threads with the numbers of what is in them."""
        threads = super().get_queryset(request)
        counted: QuerySet[Any] = threads.annotate(
            items_of_thread=count_of(models.ThreadItem, "thread"),
            images_of_thread=count_of(models.GeneratedImage, "thread"),
        )
        return counted

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the transcript."""
        context["transcript"] = Transcript(
            self.admin_site, request, context["original"]
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: models.Thread, form: Any, change: bool
    ) -> None:
        """Write only what was changed, because a run may be writing the rest."""
        if obj.status == Status.ACTIVE:
            obj.status_reason = None
        obj.status_reason = obj.status_reason or None
        fields = {"status_reason", "updated_at", *form.changed_data}
        obj.save(update_fields=fields)

    @admin.action(permissions=["change"], description=_("Lock selected threads"))
    def lock(self, request: HttpRequest, queryset: QuerySet[models.Thread]) -> None:
        """Let nobody write in the threads for now."""
        self.set_status(request, queryset, Status.LOCKED)

    @admin.action(permissions=["change"], description=_("Close selected threads"))
    def close(self, request: HttpRequest, queryset: QuerySet[models.Thread]) -> None:
        """End the threads."""
        self.set_status(request, queryset, Status.CLOSED)

    @admin.action(permissions=["change"], description=_("Reopen selected threads"))
    def reopen(self, request: HttpRequest, queryset: QuerySet[models.Thread]) -> None:
        """Let the owners of the threads write again."""
        self.set_status(request, queryset, Status.ACTIVE)

    def set_status(
        self,
        request: HttpRequest,
        queryset: QuerySet[models.Thread],
        status: models.Thread.Status,
    ) -> None:
        """Set a status with the reason of the action form, and log it."""
        reason = request.POST.get("reason", "").strip() or None
        if status == Status.ACTIVE:
            reason = None
        rows = list(queryset)
        queryset.update(status=status, status_reason=reason, updated_at=timezone.now())
        message = [{"changed": {"fields": [str(_("status"))]}}]
        LogEntry.objects.log_actions(str(request.user.pk), rows, CHANGE, message)
        text = ngettext("%(n)d thread: %(s)s.", "%(n)d threads: %(s)s.", len(rows))
        self.message_user(
            request, text % {"n": len(rows), "s": status.label}, messages.SUCCESS
        )

    @admin.display(description=_("thread"), ordering="title")
    def name(self, obj: models.Thread) -> str:
        """Show the title, or the beginning of the id."""
        return name_of(obj)

    @admin.display(description=_("items"), ordering="items_of_thread")
    def item_count(self, obj: Any) -> int:
        """Show the number of items."""
        return int(obj.items_of_thread)

    @admin.display(description=_("images"), ordering="images_of_thread")
    def image_count(self, obj: Any) -> SafeString | int:
        """Show the number of images, a link to them."""
        count = int(obj.images_of_thread)
        url = page_url(self.admin_site, models.GeneratedImage, "changelist")
        if not count or not url:
            return count
        query = urlencode({"thread__id__exact": obj.pk})
        return format_html('<a href="{}?{}">{}</a>', url, query, count)

    @admin.display(description=_("metadata"))
    def metadata_json(self, obj: models.Thread) -> SafeString | str:
        """Show what the project noted."""
        return pretty(obj.metadata)

    @admin.display(description=_("allowed image domains"))
    def domains_json(self, obj: models.Thread) -> SafeString | str:
        """Show the domains."""
        return pretty(obj.allowed_image_domains)
