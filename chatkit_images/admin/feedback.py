"""Thumbs up and down."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from .base import ReadOnlyModelAdmin
from .filters import ChoicesFilter
from .lists import OwnerFilter, PeriodFilter
from .markup import badge
from .transcript import NAMES


@admin.register(models.Feedback)
class FeedbackAdmin(ReadOnlyModelAdmin):
    """What people thought of an answer."""

    list_display = ["thumb", "message", "conversation", "person", "updated_at"]
    list_select_related = ["item", "thread", "user"]
    list_order = "-updated_at"
    list_empty = _("Feedback appears here when people like or dislike an answer.")
    list_filter = [
        OwnerFilter,
        ("updated_at", PeriodFilter),
        ("kind", ChoicesFilter),
    ]
    search_keys = ("thread_id",)
    search_fields = ["item__item_id"]
    search_help_text = _("Id of the thread or the item, user name, key of an owner")
    fields = [
        "thumb",
        "item",
        ("thread", "person"),
        ("created_at", "updated_at"),
    ]
    readonly_fields = ["thumb", "person"]

    @admin.display(description=_("item"))
    def message(self, obj: models.Feedback) -> str:
        """Show the type and the id of the item."""
        item = obj.item
        return f"{NAMES.get(item.type, item.type)} {clip(item.item_id, 24)}"

    @admin.display(description=_("kind"))
    def thumb(self, obj: Any) -> SafeString:
        """Show the kind as a badge."""
        return badge(obj.kind, obj.get_kind_display())
