"""What the page of a run says first: how it ended, and what it has made."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from .. import failures, models, notes
from ..queries import use
from .about import Fact
from .base import may_view, page_url, visible
from .linked_images import LinkedImage, linked_image
from .markup import (
    duration,
    money,
    name_of,
    owner_of,
    status_badge,
    with_block,
    words_of,
)
from .run_words import operation_of

# Images of a run that its page has; the gallery has the others.
MOST_IMAGES = 24


class RunSummary:
    """A run in plain words.

    Args:
        site: The admin.
        request: Who looks.
        run: The run.
    """

    def __init__(self, site: AdminSite, request: HttpRequest, run: Any) -> None:
        self.site, self.request, self.run = site, request, run

    @property
    def state(self) -> SafeString:
        """How it is, or how it ended."""
        return status_badge(self.run)

    @property
    def reason(self) -> str:
        """Why it has no result, in words."""
        return words_of(self.run.reason)

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return bool(self.run.status == models.Run.Status.RUNNING)

    @property
    def is_stopping(self) -> bool:
        """Whether somebody has asked for its end."""
        return self.is_running and self.run.stop_requested_at is not None

    @property
    def words(self) -> str:
        """What the person has read instead of an answer, or beside a part of it."""
        Status = models.Run.Status
        if self.run.status in (Status.RUNNING, Status.COMPLETED):
            return ""
        return notes.words(self.run)

    @property
    def remedy(self) -> str:
        """What mends it; empty if that is not for staff."""
        return failures.rows.text_of(self.run, "remedy")

    @cached_property
    def facts(self) -> list[Fact]:
        """Who asked, for what, when, and what it took; nothing that is not known."""
        run = self.run
        took = duration(run.created_at, run.finished_at) if run.finished_at else ""
        found: list[tuple[str, Any]] = [
            (gettext("Asked by"), with_block(owner_of(run), run)),
            (gettext("For a"), operation_of(run)),
            (gettext("Thread"), self._thread()),
            (gettext("Started"), run.created_at),
            (gettext("Ended"), run.finished_at),
            (gettext("Took"), took),
            (gettext("Model"), run.model or run.requested_model),
            (gettext("Tokens"), use.tokens_of(run)),
            (gettext("Cost"), "" if run.cost is None else money(run.cost)),
        ]
        return [Fact(name, value) for name, value in found if value]

    def _thread(self) -> SafeString | str:
        thread = self.run.thread
        if thread is None:
            return ""
        name = name_of(thread)
        if not may_view(self.site, self.request, models.Thread):
            return name
        url = page_url(self.site, models.Thread, "change", thread.pk)
        return format_html('<a href="{}">{}</a>', url, name)

    @cached_property
    def images(self) -> list[LinkedImage]:
        """Its images, in their order."""
        return [linked_image(self.site, row) for row in self._rows[:MOST_IMAGES]]

    @property
    def more_url(self) -> str:
        """The gallery with all of its images; empty if they are all here."""
        url = page_url(self.site, models.GeneratedImage, "changelist")
        if not url or len(self._rows) <= MOST_IMAGES:
            return ""
        return f"{url}?{urlencode({'run__id__exact': self.run.pk})}"

    @cached_property
    def _rows(self) -> list[Any]:
        rows = visible(self.site, self.request, models.GeneratedImage)
        found = rows.filter(run=self.run).order_by("created_at", "pk")
        return list(found[: MOST_IMAGES + 1])
