"""A list as Django makes it, with the columns of the gallery."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from chatkit_images import models
from chatkit_images.admin import GeneratedImageAdmin
from chatkit_images.admin.base import BaseModelAdmin

plain = admin.AdminSite("plain")
COLUMNS = list(GeneratedImageAdmin.list_display)


class PlainImageAdmin(BaseModelAdmin):
    """Django's own list; what stands in a column is the gallery's."""

    list_display = COLUMNS
    list_select_related = GeneratedImageAdmin.list_select_related
    list_per_page = GeneratedImageAdmin.list_per_page
    since: Any = None

    def get_queryset(self, request: Any) -> Any:
        """Return the newest images, as many as a small site has."""
        return super().get_queryset(request).filter(created_at__gte=self.since)


def _column(name: str) -> Any:
    def show(self: Any, obj: Any) -> Any:
        gallery: Any = admin.site.get_model_admin(models.GeneratedImage)
        return getattr(gallery, name)(obj)

    show.short_description = name  # type: ignore[attr-defined]
    return show


for column in COLUMNS:
    if hasattr(GeneratedImageAdmin, column):
        setattr(PlainImageAdmin, column, _column(column))
plain.register(models.GeneratedImage, PlainImageAdmin)
