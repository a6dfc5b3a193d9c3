"""Images and files in other pages: small, with their words, and linked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from .. import models
from .base import page_url
from .image_model import ImageModelAdmin
from .markup import badge, status_badge


@dataclass(frozen=True)
class LinkedImage:
    """An image, with its page and its words."""

    html: SafeString | str
    url: str
    label: SafeString | str = ""


def linked_image(site: AdminSite, row: Any) -> LinkedImage:
    """Return an image or an attachment, as the admin of the project shows it."""
    model_admin = site.get_model_admin(type(row))
    html: SafeString | str = str(row)
    if isinstance(model_admin, ImageModelAdmin):
        html = model_admin.image(row)
    label: SafeString | str = row.name if isinstance(row, models.Attachment) else ""
    if isinstance(row, models.GeneratedImage):
        label = states_of(row)
    return LinkedImage(html, page_url(site, type(row), "change", row.pk), label)


def states_of(image: models.GeneratedImage) -> SafeString:
    """Return what is not as usual with an image; empty if nothing is."""
    states = []
    if image.status != models.GeneratedImage.Status.COMPLETED:
        states.append((status_badge(image),))
    if image.is_withheld:
        states.append((badge(image.visibility, image.get_visibility_display()),))
    return format_html_join(" ", "{}", states)
