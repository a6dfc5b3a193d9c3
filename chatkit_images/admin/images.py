"""The gallery of generated images."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from .. import models
from ..views import row_files
from ..views.files import ServedFile
from .families import Family
from .filters import ModeratedFilter, SupersededFilter, ValueFilter
from .image_fields import GeneratedImageFields
from .markup import img
from .row_actions import OwnerActions


@admin.register(models.GeneratedImage)
class GeneratedImageAdmin(OwnerActions, GeneratedImageFields):
    """A gallery, and a page with all that is known of an image."""

    list_display = [
        "image",
        "words",
        "state",
        "person",
        "model",
        "dimensions",
        "created_at",
    ]
    list_display_links = ["image"]
    list_select_related = ["thread__user"]
    list_per_page = 48
    show_full_result_count = False
    date_hierarchy = "created_at"
    list_filter = [
        "status",
        "source",
        ("model", ValueFilter),
        ("quality", ValueFilter),
        ("size", ValueFilter),
        ("output_format", ValueFilter),
        ("reason", ValueFilter),
        "created_at",
        SupersededFilter,
        ModeratedFilter,
    ]
    actions = ["delete_selected", "block_owners", "unblock_owners"]
    search_fields = ["prompt", "revised_prompt", "call_id", "thread__title"]
    search_help_text = _("Prompt, call id, title of the thread, owner")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the facts of an image, and those of an error only if it has one."""
        asked: list[Any] = [("source", "model", "chat_model")]
        asked += [("quality", "size", "background", "output_format"), "details_json"]
        times = [("partial_count", "first_partial", "final"), "phases"]
        usage = ["usage_json", "svg_usage_json"]
        facts = [("dimensions", "mime"), "sha256", "file_name"]
        dates: list[Any] = [("requested_at", "first_event_at", "created_at")]
        dates += [("arrived_at", "stored_at", "finished_at"), "superseded_at"]
        asked_of: list[Any] = [("provider", "response_id", "request_id")]
        error = [
            ("reason", "error_code"),
            "remedy",
            "error_message",
            "moderation_json",
            "failure_json",
        ]
        sections: list[tuple[Any, list[Any]]] = [
            (_("Error and moderation"), error),
            (_("Words"), ["prompt", "revised_prompt"]),
            (_("Generation"), [*asked, *times, *usage]),
            (_("Image"), [*facts, *dates]),
            (_("Run"), [("run", "run_state"), *asked_of, "run_usage"]),
            (_("Thread"), [("thread", "person"), "item", "call_id"]),
        ]
        told = obj and (obj.reason or obj.error_code or obj.error_message)
        if obj and not (told or obj.moderation):
            del sections[0]
        return [(name, {"fields": fields}) for name, fields in sections]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field of the page."""
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the state and the partial images, if there are some."""
        obj = context["original"]
        context["state"] = self.state(obj)
        context["family"] = Family(self.admin_site, request, obj)
        context["partials"] = [
            {
                "number": partial.index + 1,
                "url": (url := self.get_image_url(obj, f"partial-{partial.index}")),
                "image": img(url, str(partial), partial.width, partial.height, 320),
            }
            for partial in obj.partials.all()
            if partial.file
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def get_file(self, obj: Any, variant: str) -> ServedFile | None:
        """Return a variant's file, a partial image's too."""
        if match := row_files.PARTIAL.fullmatch(variant):
            return row_files.partial(obj, int(match[1]))
        return super().get_file(obj, variant)

    @admin.action(permissions=["delete"], description=_("Delete selected images"))
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[models.GeneratedImage]
    ) -> TemplateResponse | None:
        """Delete images; the page that asks for confirmation shows them."""
        response = delete_selected(self, request, queryset)
        if response is not None and response.context_data is not None:
            response.context_data["images"] = map(self.image, queryset)
        return response
