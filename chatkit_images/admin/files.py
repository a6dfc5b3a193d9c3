"""The outbox of files to delete."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import models
from .base import ReadOnlyModelAdmin


@admin.register(models.DeletedFile)
class DeletedFileAdmin(ReadOnlyModelAdmin):
    """The files that are still to be deleted."""

    owner_path = None
    list_display = ["name", "created_at"]
    list_note = _(
        "Files whose rows are gone and that the storage has not deleted yet. "
        "A row leaves this list by itself: at once, or with the next sweep. "
        "Rows that stay for days point to a storage that refuses to delete."
    )
    list_empty = _("No file waits to be deleted.")
    list_order = "pk"
    search_keys = ()
    search_fields = ["name"]
    search_help_text = _("Name")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: without its row the file would never be deleted."""
        return False
