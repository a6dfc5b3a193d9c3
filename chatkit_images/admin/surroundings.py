"""What stands around an image: its thread's items, and the images of its answer."""

from __future__ import annotations

from functools import cached_property

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from .. import models
from .base import visible
from .item_pages import ItemPage
from .transcript import Transcript

# Items before the image, and items after it.
BEFORE, AFTER = 4, 3
# Other images of one answer.
MOST_SIBLINGS = 24


class Surroundings(Transcript):
    """The items of a thread around one of its images."""

    def __init__(
        self, site: AdminSite, request: HttpRequest, image: models.GeneratedImage
    ) -> None:
        super().__init__(site, request, image.thread)
        self.image, self.here = image, image.item_id

    def __bool__(self) -> bool:
        threads = visible(self.site, self.request, models.Thread)
        return threads.filter(pk=self.thread.pk).exists() and bool(self.page.items)

    @cached_property
    def page(self) -> ItemPage:
        """The items, without the ways to others: those are on the thread's page."""
        item, within = self.image.item, {"thread": self.thread}
        # Without an item the image stands where it was asked for.
        place = (item.created_at, item.pk) if item else (self.image.created_at, 0)
        items = models.ThreadItem.objects.all()
        before = items.page(place, "desc", BEFORE, **within)
        after = items.page(place, "asc", AFTER, **within)
        return ItemPage([*reversed(before), *([item] if item else []), *after])


def siblings_of(
    site: AdminSite, request: HttpRequest, image: models.GeneratedImage
) -> list[models.GeneratedImage]:
    """Return the other images of the answer, as far as their own pages show them."""
    if image.run_id is None:
        return []
    rows = visible(site, request, models.GeneratedImage).filter(run=image.run_id)
    others = rows.exclude(pk=image.pk).order_by("created_at", "pk")
    return list(others[:MOST_SIBLINGS])
