"""The gallery of generated images."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import models
from ..views import row_files
from ..views.files import ServedFile
from .about import About
from .bulk import BulkActions
from .families import Card, Family
from .filled_fields import filled_fieldsets
from .filters import (
    ChoicesFilter,
    FeedbackFilter,
    KindFilter,
    ModeratedFilter,
    ReasonFilter,
    ReviewFilter,
    SupersededFilter,
)
from .lists import OrderFilter, OwnerFilter, PeriodFilter, RecentValuesFilter
from .live import LivePages
from .reviewing import ReviewPages
from .surroundings import Surroundings, siblings_of
from .thread_actions import ThreadActions


@admin.register(models.GeneratedImage)
class GeneratedImageAdmin(BulkActions, ThreadActions, LivePages, ReviewPages):
    """A gallery, and a page with all that is known of an image."""

    class Media:
        css = {
            "all": [
                "chatkit_images/admin/gallery.css",
                "chatkit_images/admin/lightbox.css",
            ]
        }
        js = [
            "chatkit_images/admin/gallery.js",
            "chatkit_images/admin/about.js",
            "chatkit_images/admin/lightbox.js",
        ]

    list_display = [
        "image",
        "words",
        "state",
        "person",
        "model",
        "dimensions",
        "age",
    ]
    list_display_links = ["image", "words"]
    list_select_related = ["thread__user"]
    list_per_page = 48
    list_empty = _("An image appears here when the model of a chat generates one.")
    other_orders = {
        "-final_ms": _("Longest generation"),
        "-bytes": _("Largest file"),
        "-cost": _("Highest cost"),
    }
    list_filter = [
        OwnerFilter,
        ("created_at", PeriodFilter),
        ReviewFilter,
        ("status", ChoicesFilter),
        ReasonFilter,
        ("visibility", ChoicesFilter),
        KindFilter,
        ("model", RecentValuesFilter),
        FeedbackFilter,
        ModeratedFilter,
        SupersededFilter,
        OrderFilter,
    ]
    actions = [
        "download_selected",
        "hide_selected",
        "restore_selected",
        "keep_selected",
        "delete_selected",
        "stop",
        "lock_threads",
        "block_owners",
        "unblock_owners",
    ]
    search_keys = ("pk", "call_id", "thread_id", "run_id")
    search_fields = ["prompt", "revised_prompt"]
    search_help_text = _(
        "Prompt, id of an image, a call, a thread or a run, user name, key of an owner"
    )
    has_words = True

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the technical facts that are known; the others stand beside the image.

        A fact that an image has not is left out.
        """
        options = [("source", "chat_model"), ("quality", "size")]
        options += [("background", "output_format")]
        times = [("partial_count", "first_partial", "final"), "phases"]
        dates = [("requested_at", "first_event_at", "arrived_at")]
        dates += [("stored_at", "finished_at", "superseded_at")]
        error = ["error_code", "error_message", "moderation_json", "failure_json"]
        sections: list[tuple[Any, list[Any]]] = [
            (_("Error and moderation"), error),
            (_("Generation"), [*options, "details_json"]),
            (_("Time"), [*times, *dates]),
            (_("Use"), ["usage_json", "svg_usage_json", "run_usage"]),
            (_("File"), ["mime", "sha256", "file_name"]),
            (_("Ids"), ["item", "call_id", "provider", "response_id", "request_id"]),
        ]
        fieldsets = [(name, {"fields": fields}) for name, fields in sections]
        return filled_fieldsets(self, obj, fieldsets)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field of the page."""
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_facts_context(
        self, request: HttpRequest, obj: models.GeneratedImage
    ) -> dict[str, Any]:
        """Return an image, what is known of it and what may be done to it."""
        return {
            **super().get_facts_context(request, obj),
            "about": About(self, request, obj),
            "row_actions": self.get_row_actions(request, obj),
        }

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add what stands beside the image, below it and around it."""
        obj = context["original"]
        context["about"] = About(self, request, obj)
        context["neighbours"] = self.get_neighbours(request, obj)
        context["family"] = Family(self.admin_site, request, obj)
        context["siblings"] = [
            Card.of(self.admin_site, row)
            for row in siblings_of(self.admin_site, request, obj)
        ]
        context["transcript"] = Surroundings(self.admin_site, request, obj)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_file(self, obj: Any, variant: str) -> ServedFile | None:
        """Return a variant's file, a partial image's too."""
        if match := row_files.PARTIAL.fullmatch(variant):
            return row_files.partial(obj, int(match[1]))
        return super().get_file(obj, variant)
