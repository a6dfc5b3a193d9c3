"""The actions of the list that lead to the work on many images."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from ... import models
from .operations import ZIP
from .pages import BulkPages


class BulkActions(BulkPages):
    """Offers the work on many images in the menu of the list."""

    @admin.action(permissions=["moderate"], description=_("Hide selected images"))
    def hide_selected(
        self, request: HttpRequest, queryset: QuerySet[models.GeneratedImage]
    ) -> HttpResponseBase:
        """Ask why images shall be hidden."""
        return self.begin_bulk(request, queryset, "hide")

    @admin.action(permissions=["moderate"], description=_("Restore selected images"))
    def restore_selected(
        self, request: HttpRequest, queryset: QuerySet[models.GeneratedImage]
    ) -> HttpResponseBase:
        """Ask whether to show images again."""
        return self.begin_bulk(request, queryset, "restore")

    @admin.action(
        permissions=["moderate"], description=_("Keep selected images as reviewed")
    )
    def keep_selected(
        self, request: HttpRequest, queryset: QuerySet[models.GeneratedImage]
    ) -> HttpResponseBase:
        """Ask whether images may stay."""
        return self.begin_bulk(request, queryset, "keep")

    @admin.action(permissions=["delete"], description=_("Delete selected images"))
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[models.GeneratedImage]
    ) -> HttpResponseBase:
        """Ask whether to delete images."""
        return self.begin_bulk(request, queryset, "delete")

    @admin.action(permissions=["view"], description=_("Download selected images"))
    def download_selected(
        self, request: HttpRequest, queryset: QuerySet[models.GeneratedImage]
    ) -> HttpResponseBase:
        """Offer a zip with images."""
        return self.begin_bulk(request, queryset, ZIP)
