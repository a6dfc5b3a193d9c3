"""The versions of an image, as staff see them on its page."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from .base import page_url, visible
from .image_model import ImageModelAdmin
from .markup import badge, status_badge, tile

Role = models.ImageSource.Role


@dataclass(frozen=True)
class Card:
    """An image or a file of the family.

    Attributes:
        html: Its thumbnail, or words in its place.
        words: What it is called.
        url: Its page; empty if it has none.
        label: Its state or its role, if that says something.
        is_current: Whether it is the image of the page.
        others: What else it is a version of, beside the card before it.
    """

    html: SafeString | str
    words: str = ""
    url: str = ""
    label: SafeString | str = ""
    is_current: bool = False
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, site: AdminSite, row: Any, label: Any = "", **fields: Any) -> Card:
        """Return the card of an image or an attachment."""
        model_admin = site.get_model_admin(type(row))
        html: SafeString | str = tile(clip(str(row), 60))
        if isinstance(model_admin, ImageModelAdmin):
            html = model_admin.image(row)
        words = row.name if isinstance(row, models.Attachment) else str(row)
        url = page_url(site, type(row), "change", row.pk)
        return cls(html, clip(words, 60), url, label, **fields)


@dataclass(frozen=True)
class Branch:
    """Versions, each of the one before it.

    Attributes:
        cards: The versions, the oldest first.
        beginning: The words of the image of which the first is a version, if that
            stands in another branch.
    """

    cards: list[Card]
    beginning: str = ""


class Family:
    """The lineage of an image, of rows that their own pages would show.

    Args:
        site: The admin.
        request: Who looks.
        image: The image.
    """

    def __init__(
        self, site: AdminSite, request: HttpRequest, image: models.GeneratedImage
    ) -> None:
        self.site, self.image = site, image
        self._lineage = image.lineage(
            visible(site, request, models.GeneratedImage),
            visible(site, request, models.Attachment),
        )
        self._placed: set[uuid.UUID] = set()

    def __bool__(self) -> bool:
        return bool(self._lineage.edges)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is shown."""
        return self._lineage.is_whole

    @cached_property
    def branches(self) -> list[Branch]:
        """The chain that begins with the oldest image, then what leaves it."""
        oldest = sorted(self._lineage.family.values(), key=lambda row: row.created_at)
        # In a circle there is no first one.
        waiting = deque((None, row) for row in [*self._lineage.roots, *oldest])
        found = []
        while waiting:
            parent, row = waiting.popleft()
            if row.pk in self._placed:
                continue
            cards, leaving = self._chain(parent, row)
            found.append(Branch(cards, clip(str(parent), 60) if parent else ""))
            waiting.extendleft(reversed(leaving))
        return found

    @property
    def inputs(self) -> list[Card]:
        """What the image was made from, beside that of which it is a version."""
        edges = (e for e in self._lineage.edges if e.image == self.image.pk)
        return [self._end(edge) for edge in edges if edge.role != Role.EDITED]

    @property
    def uses(self) -> list[Card]:
        """The images for which it has served, without being their earlier version."""
        edges = (e for e in self._lineage.edges if e.source_image == self.image.pk)
        return [
            self._card(self._row(edge.image), self._role(edge.role))
            for edge in edges
            if edge.role != Role.EDITED
        ]

    def _chain(self, before: Any, row: Any) -> tuple[list[Card], list[tuple[Any, Any]]]:
        """Return the versions that follow each other, and those that leave them."""
        cards: list[Card] = []
        leaving: list[tuple[Any, Any]] = []
        while row is not None:
            self._placed.add(row.pk)
            parents = self._lineage.made_from(row)
            others = [clip(str(each), 60) for each in parents if each != before]
            cards += [
                self._end(edge)
                for edge in self._lineage.edges
                if edge.image == row.pk
                and edge.role == Role.EDITED
                and edge.source_image is None
            ]
            cards.append(self._card(row, self._state(row), tuple(others)))
            versions = [
                each
                for each in self._lineage.versions(row)
                if each.pk not in self._placed
            ]
            leaving += [(row, each) for each in versions[1:]]
            before, row = row, versions[0] if versions else None
        return cards, leaving

    def _end(self, edge: Any) -> Card:
        """Return what an edge begins at."""
        role = "" if edge.role == Role.EDITED else self._role(edge.role)
        if edge.source_image is not None:
            return self._card(self._row(edge.source_image), role)
        if edge.attachment is not None:
            return self._card(self._lineage.attachments[edge.attachment], role)
        return Card(tile(str(_("Deleted"))), label=role)

    def _row(self, key: uuid.UUID) -> models.GeneratedImage:
        return {**self._lineage.others, **self._lineage.family}[key]

    def _card(self, row: Any, label: Any, others: tuple[str, ...] = ()) -> Card:
        is_current = row.pk == self.image.pk
        return Card.of(self.site, row, label, is_current=is_current, others=others)

    def _role(self, role: str) -> SafeString:
        return badge(role, Role(role).label)

    def _state(self, row: models.GeneratedImage) -> SafeString | str:
        if row.status == models.GeneratedImage.Status.COMPLETED:
            return ""
        return status_badge(row)
