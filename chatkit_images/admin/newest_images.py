"""The newest images of threads, for the rows of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from .. import models
from .base import visible
from .image_model import ImageModelAdmin

EACH = 3


def may_show_images(site: AdminSite, request: HttpRequest) -> bool:
    """Return whether a person may see images, as pages of this app show them."""
    if not site.is_registered(models.GeneratedImage):
        return False
    other = site.get_model_admin(models.GeneratedImage)
    return isinstance(other, ImageModelAdmin) and other.has_view_permission(request)


def newest_images(
    site: AdminSite, request: HttpRequest, threads: Iterable[models.Thread]
) -> dict[str, SafeString]:
    """Return the thumbnails of the newest images of each thread, in two statements.

    The first looks them up by an index, so a thread of thousands of images costs no
    more than one of three.
    """
    other: Any = site.get_model_admin(models.GeneratedImage)
    rows = visible(site, request, models.GeneratedImage)
    its = rows.filter(thread=OuterRef("pk"), superseded_at=None).exclude(file="")
    newest = its.order_by("-created_at", "-pk").values("pk")
    places = [Subquery(newest[number : number + 1]) for number in range(EACH)]
    listed = models.Thread.objects.filter(pk__in=[thread.pk for thread in threads])
    keys = list(listed.order_by().values_list("pk", *places))
    images = rows.in_bulk([key for _, *found in keys for key in found if key])
    return {
        thread: format_html_join(
            "", "{}", ((other.image(images[key]),) for key in found if key in images)
        )
        for thread, *found in keys
    }
