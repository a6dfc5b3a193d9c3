"""What the gallery and the page of an image show."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import models, reports
from ..cleaning import clip
from .failure_fields import FailureFields
from .image_model import ImageModelAdmin
from .markup import (
    EMPTY,
    badge,
    owner_of,
    phase_list,
    pretty,
    seconds,
    with_block,
)


class GeneratedImageFields(FailureFields, ImageModelAdmin):
    """The columns and fields of generated images."""

    owner_path = "thread__"

    def get_alt(self, obj: models.GeneratedImage) -> str:
        """Return the words for people who do not see the image."""
        return clip(obj.prompt or obj.revised_prompt or obj.call_id, 300)

    def get_tile_text(self, obj: models.GeneratedImage) -> str:
        """Return the state of an image that has no result."""
        if not obj.file and obj.status == models.GeneratedImage.Status.COMPLETED:
            return gettext("The file is missing")
        if not obj.file and obj.status == models.GeneratedImage.Status.GENERATING:
            return gettext("No image yet")
        return super().get_tile_text(obj)

    @admin.display(description=_("status"), ordering="status")
    def state(self, obj: models.GeneratedImage) -> SafeString:
        """Show the status, and whether the image is superseded."""
        state = super().state(obj)
        if obj.superseded_at is None:
            return state
        return format_html("{} {}", state, badge("superseded", gettext("superseded")))

    @admin.display(description=_("prompt"))
    def words(self, obj: models.GeneratedImage) -> str:
        """Show the beginning of the prompt."""
        return clip(obj.prompt or obj.revised_prompt, 140)

    @admin.display(description=_("owner"), ordering="thread__owner")
    def person(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show the owner of the image's thread."""
        return with_block(owner_of(obj.thread), obj)

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

    @admin.display(description=_("status"))
    def run_state(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show how the run went."""
        run = obj.run
        return badge(run.status, run.get_status_display()) if run else EMPTY

    @admin.display(description=_("token usage"))
    def run_usage(self, obj: models.GeneratedImage) -> SafeString | str:
        """Show the usage of the whole run."""
        return pretty(obj.run.usage) if obj.run else EMPTY
