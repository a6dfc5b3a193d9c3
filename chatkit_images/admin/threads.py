"""Conversations, and the actions that end them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import (
    Count,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
)
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import models
from ..queries import costs
from .about import Fact
from .base import may_view, page_url
from .filters import ChoicesFilter, HasImagesFilter
from .lists import OwnerFilter, PeriodFilter
from .lists.counts import add_counts
from .live_rows import LiveRows
from .markup import money, name_of, pretty
from .newest_images import may_show_images, newest_images
from .panel import WithPanel
from .status_actions import StatusActions
from .transcript import Transcript

Status = models.Thread.Status
TECHNICAL = ("id", "owner", "metadata_json", "domains_json")


@admin.register(models.Thread)
class ThreadAdmin(StatusActions, WithPanel, LiveRows):
    """The list of threads, and a page with the transcript."""

    list_display = [
        "name",
        "thumbnails",
        "person",
        "state",
        "item_count",
        "image_count",
        "created_at",
    ]
    opens = (models.Thread, models.GeneratedImage)
    list_select_related = ["user"]
    list_empty = _("A thread appears here when somebody sends a first message.")
    list_filter = [
        OwnerFilter,
        ("created_at", PeriodFilter),
        ("status", ChoicesFilter),
        HasImagesFilter,
    ]
    search_fields = ["title"]
    search_help_text = _("Title, id, user name, key of an owner")
    has_words = True
    actions = ["lock", "close", "reopen", "stop", "block_owners", "unblock_owners"]
    fieldsets = [
        (
            _("Title and status"),
            {"fields": ["title", "status", "status_reason"], "classes": ["collapse"]},
        ),
        (_("Technical"), {"fields": TECHNICAL, "classes": ["collapse"]}),
    ]
    readonly_fields = list(TECHNICAL)
    formfield_overrides = {
        TextField: {"widget": AdminTextareaWidget({"rows": 3})},
    }

    def prepare_rows(self, rows: list[Any]) -> None:
        """Add the numbers of items and images."""
        add_counts(rows, models.ThreadItem, "thread", "items_of_thread")
        add_counts(rows, models.GeneratedImage, "thread", "images_of_thread")

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns; thumbnails only for who may see images."""
        columns = super().get_list_display(request)
        if may_show_images(self.admin_site, request):
            return columns
        return [column for column in columns if column != "thumbnails"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, whose rows have the newest images of their threads."""
        found = super().get_changelist_instance(request)
        if "thumbnails" in found.list_display:
            rows: Any = list(found.result_list)
            images = newest_images(self.admin_site, request, rows)
            for row in rows:
                row.newest_images = images.get(row.pk, "")
            found.result_list = rows
        return found

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add what is known of the thread, and the transcript."""
        thread = context["original"]
        context["summary"] = {
            "state": self.state(thread),
            "is_running": self.is_running(thread),
            "facts": self.facts_of(request, thread),
        }
        context["transcript"] = Transcript(self.admin_site, request, thread)
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

    def is_running(self, row: Any) -> bool:
        """Return whether an answer is being written in it."""
        return bool(row.runs.running().exists())

    is_live = is_running

    def state_of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return what changes while an answer is written in a thread."""
        found = models.Thread.objects.filter(pk__in=rows.order_by().values("pk"))
        items = models.ThreadItem.objects.filter(thread=OuterRef("pk"))
        newest = items.order_by("-created_at", "-pk").values("pk")[:1]
        running = models.Run.objects.running().filter(thread=OuterRef("pk"))
        its = Q(images__run__status=models.Run.Status.RUNNING)
        return found.annotate(
            newest=Subquery(newest),
            runs_now=Exists(running),
            begun=Count("images", filter=its),
            ended=Count("images__finished_at", filter=its),
            previews=Sum("images__partial_count", filter=its),
        ).values_list("status", "newest", "runs_now", "begun", "ended", "previews")

    @admin.display(description=_("thread"))
    def name(self, obj: models.Thread) -> str:
        """Show the title, or the beginning of the id."""
        return name_of(obj)

    @admin.display(description=_("newest"))
    def thumbnails(self, obj: Any) -> SafeString | str:
        """Show the newest images."""
        return format_html('<span class="ck-newest">{}</span>', obj.newest_images)

    def facts_of(self, request: HttpRequest, obj: Any) -> list[Fact]:
        """Return who has a thread, since when, and the ways to what belongs to it."""
        may = may_view(self.admin_site, request, models.Run)
        url = page_url(self.admin_site, models.Run, "changelist")
        query = urlencode({"thread__id__exact": obj.pk})
        link = format_html('<a href="{}?{}">{}</a>', url, query, gettext("All of them"))
        cost = costs.of_thread(obj.pk)
        found = [
            (gettext("Owner"), self.person(obj)),
            (gettext("Images"), self.image_count(obj)),
            (gettext("Runs"), link if may else ""),
            (gettext("Cost"), "" if cost is None else money(cost)),
            (gettext("Created"), obj.created_at),
            (gettext("Updated"), obj.updated_at),
        ]
        return [Fact(name, html) for name, html in found if html]

    @admin.display(description=_("items"))
    def item_count(self, obj: Any) -> str:
        """Show the number of items."""
        return str(obj.items_of_thread)

    @admin.display(description=_("images"))
    def image_count(self, obj: Any) -> SafeString | str:
        """Show the number of images, a link for who may see them."""
        if not hasattr(obj, "images_of_thread"):
            self.prepare_rows([obj])
        count = obj.images_of_thread
        url = page_url(self.admin_site, models.GeneratedImage, "changelist")
        if not count or not getattr(obj, "may_open_generatedimage", False):
            return str(count)
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
