"""The files that people sent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import models
from .filters import ChoicesFilter
from .image_model import ImageModelAdmin
from .lists import OwnerFilter, PeriodFilter, RecentValuesFilter
from .markup import EMPTY, pretty
from .row_actions import OwnerActions


@admin.register(models.Attachment)
class AttachmentAdmin(OwnerActions, ImageModelAdmin):
    """What was uploaded, by whom, to which thread."""

    mime_field = "mime_type"
    thumbnail_side = 96
    list_display = [
        "image",
        "name",
        "person",
        "kind",
        "mime_type",
        "dimensions",
        "conversation",
        "created_at",
    ]
    list_display_links = ["image", "name"]
    list_select_related = ["thread", "user"]
    list_empty = _("A file appears here when somebody attaches it to a message.")
    actions = ["block_owners", "unblock_owners"]
    list_filter = [
        OwnerFilter,
        ("created_at", PeriodFilter),
        ("kind", ChoicesFilter),
        ("mime_type", RecentValuesFilter),
        "awaits_upload",
    ]
    search_keys = ("pk", "thread_id")
    search_fields = ["name"]
    search_help_text = _("Name, id, id of the thread, user name, key of an owner")
    fieldsets = [
        (None, {"fields": ["name", ("kind", "created_at"), ("thread", "person")]}),
        (_("File"), {"fields": [("dimensions", "mime_type"), "sha256", "file_name"]}),
        (_("Upload"), {"fields": [("awaits_upload", "preview"), "metadata_json"]}),
    ]
    readonly_fields = ["person", "dimensions", "file_name", "preview", "metadata_json"]

    def get_filename(self, obj: Any, name: str) -> str:
        """Return the name that the person gave it, as a header can carry it."""
        return "".join(filter(str.isprintable, obj.name)) or obj.pk

    def get_tile_text(self, obj: Any) -> str:
        """Return the extension of a file that is no image."""
        if not obj.file:
            return gettext("Not uploaded") if obj.awaits_upload else gettext("No file")
        extension = obj.name.rpartition(".")[2]
        short = extension != obj.name and extension.isalnum() and len(extension) < 6
        return extension.upper() if short else gettext("File")

    @admin.display(description=_("foreign preview URL"))
    def preview(self, obj: models.Attachment) -> str:
        """Show the address as text, because a link may contain a script."""
        return obj.foreign_preview_url or EMPTY

    @admin.display(description=_("metadata"))
    def metadata_json(self, obj: models.Attachment) -> SafeString | str:
        """Show what the project noted."""
        return pretty(obj.metadata)
