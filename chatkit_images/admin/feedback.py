"""Thumbs up and down."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from .base import ReadOnlyModelAdmin
from .markup import badge
from .transcript import NAMES


@admin.register(models.Feedback)
class FeedbackAdmin(ReadOnlyModelAdmin):
    """What people thought of an answer."""

    list_display = ["thumb", "message", "conversation", "person", "updated_at"]
    list_select_related = ["item", "thread", "user"]
    date_hierarchy = "updated_at"
    list_filter = ["kind", "updated_at"]
    search_fields = ["thread__id", "thread__title", "item__item_id"]
    search_help_text = _("Thread, item id, owner")
    fields = [
        "thumb",
        "item",
        ("thread", "person"),
        ("created_at", "updated_at"),
    ]
    readonly_fields = ["thumb", "person"]

    @admin.display(description=_("item"), ordering="item__item_id")
    def message(self, obj: models.Feedback) -> str:
        """Show the type and the id of the item."""
        item = obj.item
        return f"{NAMES.get(item.type, item.type)} {clip(item.item_id, 24)}"

    @admin.display(description=_("kind"), ordering="kind")
    def thumb(self, obj: Any) -> SafeString:
        """Show the kind as a badge."""
        return badge(obj.kind, obj.get_kind_display())
