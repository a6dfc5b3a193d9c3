"""Filters of the lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import models
from ..failures import Reason


class ValueFilter(admin.AllValuesFieldListFilter):
    """The values that occur; the empty one is not offered."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the choices that have a name."""
        for choice in super().choices(changelist):
            if str(choice["display"]).strip():
                yield choice


class YesNoFilter(admin.SimpleListFilter):
    """A filter by yes and no. A subclass gives the condition for yes."""

    condition: Any

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return yes and no."""
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """Return the rows with the chosen answer."""
        if self.value() == "yes":
            return queryset.filter(self.condition)
        return queryset.filter(~self.condition) if self.value() == "no" else queryset


class HasImagesFilter(YesNoFilter):
    """Whether a thread has images."""

    title = _("has images")
    parameter_name = "has_images"
    condition = Exists(models.GeneratedImage.objects.filter(thread=OuterRef("pk")))


class SupersededFilter(YesNoFilter):
    """Whether a retry removed an image from its thread."""

    title = _("superseded")
    parameter_name = "superseded"
    condition = Q(superseded_at__isnull=False)


class ModeratedFilter(YesNoFilter):
    """Whether the provider's moderation blocked an image or commented on it."""

    title = _("moderation")
    parameter_name = "moderated"
    condition = (
        Q(status=models.GeneratedImage.Status.BLOCKED)
        | Q(reason=Reason.BLOCKED)
        | ~Q(moderation={})
    )
