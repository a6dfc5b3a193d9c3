"""What the gallery and the page of an image show."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Case, Exists, OuterRef, QuerySet, Subquery, When
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import imaging, models, reports, storage
from ..cleaning import clip
from ..views import row_files
from .base import visible
from .failure_fields import FailureFields
from .image_model import ImageModelAdmin
from .markup import (
    EMPTY,
    age,
    badge,
    img,
    money,
    owner_of,
    phase_list,
    pretty,
    prompt_of,
    seconds,
    with_block,
)

Status = models.GeneratedImage.Status
Visibility = models.GeneratedImage.Visibility


class GeneratedImageFields(FailureFields, ImageModelAdmin):
    """The columns and fields of generated images."""

    owner_path = "thread__"

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.GeneratedImage]:
        """Return the images with what their cards say of other rows."""
        rows: QuerySet[models.GeneratedImage] = super().get_queryset(request)
        feedback = visible(self.admin_site, request, models.Feedback)
        disliked = feedback.filter(item=OuterRef("item"), kind="negative")
        partials = models.PartialImage.objects.filter(image=OuterRef("pk"))
        newest = partials.exclude(file="").order_by("-index").values("index")[:1]
        # A preview is shown until there is an image.
        forming = When(status=Status.GENERATING, then=Subquery(newest))
        return rows.annotate(
            is_disliked=Exists(disliked), newest_partial=Case(forming, default=None)
        )

    def get_filename(self, obj: models.GeneratedImage, name: str) -> str:
        """Return what a browser calls a download: the words, as in the chat."""
        return row_files.download_name(obj, name)

    def get_alt(self, obj: models.GeneratedImage) -> str:
        """Return the words for people who do not see the image."""
        return clip(obj.prompt or obj.revised_prompt or obj.call_id, 300)

    def get_tile_text(self, obj: models.GeneratedImage) -> str:
        """Return the state of an image that has no result."""
        if obj.file:
            return super().get_tile_text(obj)
        if obj.status == Status.COMPLETED:
            return gettext("The file is missing")
        if obj.status == Status.GENERATING:
            return gettext("No image yet")
        told = obj.reason != obj.status  # A badge has the status.
        return (reason_of(obj) if told else "") or gettext("No image")

    def get_kind(self, obj: models.GeneratedImage) -> str:
        """Return the status of an image without a file."""
        if not obj.file:
            return "missing" if obj.status == Status.COMPLETED else str(obj.status)
        return super().get_kind(obj)

    def render_image(self, obj: models.GeneratedImage, variant: str) -> SafeString:
        """Return the image; of one on its way the newest preview, if it has one."""
        index = getattr(obj, "newest_partial", None)
        if obj.file or index is None:
            return super().render_image(obj, variant)
        url = self.get_image_url(obj, f"partial-{index}")
        return img(url, self.get_alt(obj), None, None, self.thumbnail_side)

    @admin.display(description=_("status"))
    def state(self, obj: models.GeneratedImage) -> SafeString:
        """Show the status, and what else sets the image apart from others."""
        name = str(obj.file.name or "")
        marks = [super().state(obj)]
        if obj.status == Status.GENERATING and obj.partial_count:
            text = gettext("generating, preview %(number)s")
            marks = [badge(obj.status, text % {"number": obj.partial_count})]
        if obj.superseded_at is not None:
            told = gettext("A retry took it out of its thread.")
            marks.append(badge("superseded", gettext("superseded"), told))
        if obj.visibility != Visibility.SHOWN:
            marks.append(badge(obj.visibility, obj.get_visibility_display()))
        if obj.review_since is not None:
            marks.append(badge("review", gettext("to be reviewed")))
        # A look at the disk of this host; the storage is not asked.
        if storage.is_named(name) and storage.spool.has(name):
            marks.append(badge("spooled", gettext("waits for the storage")))
        if obj.mime in imaging.SHOWN - imaging.INLINE:
            marks.append(badge("svg", "SVG"))
        if getattr(obj, "is_disliked", False):
            marks.append(badge("negative", gettext("disliked")))
        return format_html_join(" ", "{}", ((mark,) for mark in marks))

    @admin.display(description=_("prompt"))
    def words(self, obj: models.GeneratedImage) -> SafeString:
        """Show the beginning of the prompt."""
        text = clip(obj.prompt or obj.revised_prompt, 140)
        return prompt_of(text or gettext("Without a prompt"))

    @admin.display(description=_("age"))
    def age(self, obj: models.GeneratedImage) -> SafeString:
        """Show how long ago it was asked for."""
        return age(obj.created_at)

    @admin.display(description=_("owner"))
    def person(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show the owner of the image's thread."""
        name = self.link_to(obj.thread, owner_of(obj.thread))
        return with_block(name, obj)

    @admin.display(description=_("cost"))
    def price(self, obj: models.GeneratedImage) -> str:
        """Show what it has cost."""
        return money(obj.cost)

    @admin.display(description=_("time to first preview"))
    def first_partial(self, obj: models.GeneratedImage) -> str:
        """Show seconds."""
        return seconds(obj.first_partial_ms)

    @admin.display(description=_("time to final"))
    def final(self, obj: models.GeneratedImage) -> str:
        """Show seconds."""
        return seconds(obj.final_ms)

    @admin.display(description=_("where the time went"))
    def phases(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show each phase with its seconds."""
        return phase_list(reports.phases_of(obj))

    @admin.display(description=_("token usage"))
    def usage_json(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show the usage that came with the image."""
        return pretty(obj.usage)

    @admin.display(description=_("SVG usage"))
    def svg_usage_json(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show the tokens of the model that wrote an SVG."""
        return pretty(obj.svg_usage)

    @admin.display(description=_("details"))
    def details_json(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show further options of the tool and facts of the call."""
        return pretty(obj.details)

    @admin.display(description=_("moderation"))
    def moderation_json(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show what the provider's moderation said."""
        return pretty(obj.moderation)

    @admin.display(description=_("token usage of the run"))
    def run_usage(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show the usage of the whole run, if that is not the image's own."""
        run = obj.run
        return pretty(run.usage) if run and run.usage != obj.usage else EMPTY


def reason_of(obj: models.GeneratedImage) -> str:
    """Return the reason for which an image has no result, in words."""
    return str(obj.reason).replace("_", " ")
