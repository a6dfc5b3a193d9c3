"""Tiles of images that are being generated."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from .. import models, notes
from ..cleaning import clip
from .base import page_url
from .markup import status_badge, tile

Status = models.GeneratedImage.Status


class LiveTile:
    """An image that forms, or one that has just ended.

    Args:
        page: The pages of images.
        image: The image.
    """

    def __init__(self, page: Any, image: Any) -> None:
        self.page, self.image = page, image

    @property
    def is_forming(self) -> bool:
        """Whether it goes on."""
        return bool(self.image.status == Status.GENERATING)

    @property
    def html(self) -> SafeString:
        """Its newest partial image, its final, or words."""
        if self.image.is_withheld:
            return tile(str(self.image.get_visibility_display()), self.words)
        return SafeString(self.page.image(self.image))

    @property
    def url(self) -> str:
        """Its page."""
        site = self.page.admin_site
        return page_url(site, models.GeneratedImage, "change", self.image.pk)

    @property
    def words(self) -> str:
        """What was asked for."""
        return clip(str(self.page.get_alt(self.image)), 80)

    @property
    def expected(self) -> int:
        """How many previews come; 0 if that is not known."""
        details = self.image.details if isinstance(self.image.details, dict) else {}
        count = details.get("partial_images")
        return count if type(count) is int and 0 < count < 100 else 0

    @property
    def steps(self) -> int:
        """How many steps its progress has, the final being the last."""
        return self.expected + 1

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        count = self.image.partial_count
        if self.expected:
            text = gettext("Preview %(n)d of %(m)d") if count else gettext("Begun")
            return text % {"n": min(count, self.expected), "m": self.expected}
        if not count:
            return gettext("Begun")
        return ngettext("%(n)d preview", "%(n)d previews", count) % {"n": count}

    @property
    def end(self) -> SafeString | str:
        """How it ended, if there is no result."""
        if self.is_forming or self.image.status == Status.COMPLETED:
            return ""
        return status_badge(self.image)

    @property
    def end_words(self) -> str:
        """What its person reads of that."""
        return notes.words(self.image) if self.end else ""

    def to_json(self, request: HttpRequest) -> dict[str, Any]:
        """Return it as the script of the page takes it."""
        template = "admin/chatkit_images/includes/live_image.html"
        return {
            "id": str(self.image.pk),
            "isForming": self.is_forming,
            "started": round(self.image.created_at.timestamp() * 1000),
            "html": render_to_string(template, {"tile": self}, request),
        }
