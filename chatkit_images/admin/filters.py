"""Filters of the lists."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from .. import models
from ..failures import Reason
from ..times import long_ago
from .lists.choices import FOLDED, FixedFilter, YesNoFilter

Source = models.GeneratedImage.Source


class ChoicesFilter(admin.ChoicesFieldListFilter):
    """The choices of a field; folded until one is chosen."""

    template = FOLDED


class ReasonFilter(FixedFilter):
    """Why a run or an image has no result."""

    title = _("reason")
    parameter_name = "reason__exact"
    fixed = [(str(each), str(each).replace("_", " ")) for each in Reason]

    def condition(self, value: str) -> Any:
        """Return that the row has the reason."""
        return Q(reason=value)


class KindFilter(FixedFilter):
    """Where an image came from, and whether it was made from another one."""

    title = _("kind")
    parameter_name = "kind"
    fixed = [("edited", _("edited")), *Source.choices]

    def condition(self, value: str) -> Any:
        """Return what images of the kind have."""
        if value == "edited":
            role = models.ImageSource.Role.EDITED
            sources = models.ImageSource.objects.filter(role=role)
            return Exists(sources.filter(image=OuterRef("pk")))
        return Q(source=value)


class FeedbackFilter(FixedFilter):
    """What people thought of an image."""

    title = _("feedback")
    parameter_name = "feedback"
    fixed = [
        (models.Feedback.Kind.POSITIVE, _("liked")),
        (models.Feedback.Kind.NEGATIVE, _("disliked")),
    ]

    def condition(self, value: str) -> Any:
        """Return that somebody has said so of the item."""
        thumbs = models.Feedback.objects.filter(kind=value)
        return Exists(thumbs.filter(item=OuterRef("item")))


class ReviewFilter(FixedFilter):
    """Images that staff have to look at, the longest waiting first."""

    title = _("needs review")
    parameter_name = "review"
    fixed = [("yes", _("Yes"))]

    @property
    def own_order(self) -> str:
        """The order of the queue; empty if the list shows all images."""
        return "review_since" if self.value() == "yes" else ""

    def condition(self, value: str) -> Any:
        """Return that somebody waits for a decision."""
        return Q(review_since__gte=long_ago())


class HasImagesFilter(YesNoFilter):
    """Whether a thread has images."""

    title = _("has images")
    parameter_name = "has_images"
    yes = Exists(models.GeneratedImage.objects.filter(thread=OuterRef("pk")))


class SupersededFilter(YesNoFilter):
    """Whether a retry removed an image from its thread."""

    title = _("superseded")
    parameter_name = "superseded"
    yes = Q(superseded_at__isnull=False)


class ModeratedFilter(YesNoFilter):
    """Whether the provider's moderation blocked an image or commented on it."""

    title = _("moderation")
    parameter_name = "moderated"
    yes = (
        Q(status=models.GeneratedImage.Status.BLOCKED)
        | Q(reason=Reason.BLOCKED)
        | ~Q(moderation={})
    )
