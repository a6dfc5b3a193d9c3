"""Files that a provider's model does not take."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from .base import ReadOnlyModelAdmin
from .lists import PeriodFilter, RecentValuesFilter


@admin.register(models.RefusedInput)
class RefusedInputAdmin(ReadOnlyModelAdmin):
    """What is left out of the input of a model, and why."""

    owner_path = None
    list_display = ["file", "host", "model", "code", "created_at"]
    list_select_related = ["image", "attachment"]
    list_note = _(
        "Files that a provider has refused. They are left out for the same host and "
        "model until the row is 30 days old. Delete a row to send its file again."
    )
    list_empty = _("No file was refused in the past 30 days.")
    list_filter = [
        ("created_at", PeriodFilter),
        ("host", RecentValuesFilter),
        ("model", RecentValuesFilter),
    ]
    search_keys = ()
    search_fields = ["host", "model", "code", "attachment__name"]
    search_help_text = _("Host, model, code, name of the file")
    fields = ["file", ("host", "model"), "code", "created_at"]
    readonly_fields = ["file"]

    @admin.display(description=_("file"))
    def file(self, obj: models.RefusedInput) -> str:
        """Show the name of an attachment, or the words of an image."""
        return clip(str(obj.attachment or obj.image), 60)
