"""Hiding, holding and restoring an image, and what was decided about it before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from .. import models, notes
from ..cleaning import clean
from ..queries import reviews
from .base import ReadOnlyModelAdmin, page_url
from .filters import ChoicesFilter
from .image_pages import ImagePages
from .lists import PeriodFilter
from .markup import EMPTY
from .row_actions import log

Visibility = models.Visibility
# Decisions that the page of an image shows, the newest ones.
MOST_DECISIONS = 20
# What may be done, and what the button and the log say.
LABELS = {
    "keep": _("Keep: it was looked at"),
    "restore": _("Show it again"),
    "hold": _("Hold for review"),
    "hide": _("Hide from its person"),
}
DONE = {
    "keep": _("The image was reviewed and stays."),
    "restore": _("The image is shown again."),
    "hold": _("The image is held for review."),
    "hide": _("The image is hidden."),
}


@dataclass(frozen=True)
class Step:
    """Something that may be done to an image now.

    Attributes:
        name: The name of a function of ``queries.reviews``.
        label: What its button says.
        has_words: Whether the person reads words of staff then.
    """

    name: str
    label: Any
    has_words: bool


class Review:
    """The state of an image, what may be done to it, and what was.

    Args:
        page: The pages of images.
        image: The image.
        may_moderate: Whether the person may do something.
    """

    def __init__(
        self, page: ReviewPages, image: models.GeneratedImage, *, may_moderate: bool
    ) -> None:
        self.page, self.image, self.may_moderate = page, image, may_moderate

    @property
    def url(self) -> str:
        """Where a step is sent."""
        return self.page.get_review_url(self.image)

    @property
    def why(self) -> str:
        """Why staff are asked to look at it; empty if they are not."""
        if self.image.review_since is None:
            return ""
        return str(self.image.get_review_reason_display())

    @property
    def words(self) -> str:
        """What its person reads in its place; empty if it is shown."""
        return notes.withheld(self.image).words if self.image.is_withheld else ""

    @cached_property
    def reports(self) -> list[str]:
        """What people said who reported it."""
        if self.image.item_id is None:
            return []
        said = models.Feedback.objects.filter(item=self.image.item_id)
        texts = said.exclude(reason="").values_list("reason", flat=True)
        return list(texts[:MOST_DECISIONS])

    @property
    def steps(self) -> list[Step]:
        """What may be done now, by the person who looks."""
        if not self.may_moderate:
            return []
        hidden = self.image.visibility == Visibility.HIDDEN
        possible = {
            "keep": self.image.review_since is not None and not hidden,
            "restore": self.image.is_withheld and self.image.review_since is None,
            "hold": not self.image.is_withheld,
            "hide": not hidden,
        }
        names = [name for name, may in possible.items() if may]
        return [
            Step(name, LABELS[name], has_words=name in ("hide", "hold"))
            for name in names
        ]

    @cached_property
    def decisions(self) -> list[models.Decision]:
        """What was decided about it, the newest first."""
        rows = models.Decision.objects.filter(image_id=self.image.pk)
        return list(rows[:MOST_DECISIONS])


class ReviewPages(ImagePages):
    """The part of an image's page on which staff decide whether its person sees it."""

    def get_urls(self) -> list[URLPattern]:
        """Put the route before the pages, whose last pattern matches everything."""
        return [self._route("review", self.review_view), *super().get_urls()]

    def has_moderate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may hide, hold, restore and review images."""
        codename = f"{self.opts.app_label}.moderate_{self.opts.model_name}"
        return bool(request.user.has_perm(codename))

    def get_review_url(self, obj: models.GeneratedImage) -> str:
        """Return where a decision about an image is sent."""
        return reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_review",
            args=[quote(obj.pk)],
            current_app=self.admin_site.name,
        )

    def get_review(self, request: HttpRequest, obj: models.GeneratedImage) -> Review:
        """Return what the page of an image says of it, and what may be done."""
        may = self.has_moderate_permission(request, obj)
        return Review(self, obj, may_moderate=may)

    @method_decorator(require_POST)
    def review_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Do one step to an image, and go back to where it was asked for."""
        obj = self._visible(request, object_id)
        if not self.has_moderate_permission(request, obj):
            raise PermissionDenied
        step = request.POST.get("step", "")
        if step not in LABELS:
            raise Http404
        reason = clean(request.POST.get("reason", "")).strip()
        said = {"reason": reason[: reviews.MOST_REASON]}
        if step in ("hide", "hold"):
            said["words"] = request.POST.get("words", "").strip()
        if getattr(reviews, step)([obj.pk], request.user, **said):
            text = str(DONE[step])
            log(request, [obj], CHANGE, f"{text} {said['reason']}".strip())
            self.message_user(request, text, messages.SUCCESS)
        else:
            text = gettext("Nothing has changed: somebody else may have decided.")
            self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(self._where_from(request, obj))

    def _where_from(self, request: HttpRequest, obj: models.GeneratedImage) -> str:
        asked = request.POST.get("next", "")
        if url_has_allowed_host_and_scheme(
            asked, {request.get_host()}, require_https=request.is_secure()
        ):
            return asked
        return page_url(self.admin_site, models.GeneratedImage, "change", obj.pk)

    def get_facts_context(
        self, request: HttpRequest, obj: models.GeneratedImage
    ) -> dict[str, Any]:
        """Add what may be decided."""
        review = self.get_review(request, obj)
        return {**super().get_facts_context(request, obj), "review": review}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add what may be decided."""
        context["review"] = self.get_review(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(models.Decision)
class DecisionAdmin(ReadOnlyModelAdmin):
    """Who decided what about which image. Nobody changes or deletes a decision."""

    opens = (models.GeneratedImage,)
    owner_path = None
    list_display = ["decided", "action", "about", "by", "reason"]
    list_note = _(
        "What staff, the project's check, people and providers have said about images, "
        "the newest first. A decision outlives its image."
    )
    list_empty = _("A decision appears here when somebody hides or reports an image.")
    list_filter = [("created_at", PeriodFilter), ("action", ChoicesFilter)]
    search_keys = ("image_id", "thread_id")
    search_fields = ["by"]
    search_help_text = _("Who decided, thread, id of the image")
    fields = [
        ("action", "about"),
        "reason",
        "words",
        ("by", "user", "created_at"),
        ("thread_id", "item_id"),
    ]
    readonly_fields = ["about"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: the account of what was decided is only added to."""
        return False

    @admin.display(description=_("decided"))
    def decided(self, obj: models.Decision) -> Any:
        """Show when."""
        return obj.created_at

    @admin.display(description=_("image"))
    def about(self, obj: Any) -> SafeString | str:
        """Show the beginning of the image's id, a link for who may see its page."""
        name = str(obj.image_id)[:8] or EMPTY
        if not getattr(obj, "may_open_generatedimage", False):
            return name
        site = self.admin_site
        url = page_url(site, models.GeneratedImage, "change", obj.image_id)
        return format_html('<a href="{}">{}</a>', url, name)
