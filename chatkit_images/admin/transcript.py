"""The items of a thread, as a person reads them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import failures, models, notes
from ..queries import references
from .base import page_url, visible
from .item_pages import ItemPage, item_page
from .linked_images import LinkedImage, linked_image
from .markup import pretty, words_of

NAMES = {
    "user_message": _("User"),
    "assistant_message": _("Assistant"),
    "generated_image": _("Image"),
    "hidden_context_item": _("Hidden context"),
    "sdk_hidden_context": _("Hidden context"),
    "client_tool_call": _("Client tool call"),
    "structured_input": _("Structured input"),
    "widget": _("Widget"),
    "workflow": _("Workflow"),
    "task": _("Task"),
    "end_of_turn": _("End of turn"),
}
HIDDEN = ("hidden_context_item", "sdk_hidden_context")
SPOKEN = ("user_message", "assistant_message", "generated_image")


@dataclass(frozen=True)
class End:
    """Why there is no result.

    Attributes:
        reason: In few words; empty if its image has them.
        remedy: What mends it; empty if that is not for staff.
        url: The page of the run or the image; empty if it has none.
    """

    reason: str
    remedy: str = ""
    url: str = ""


@dataclass(frozen=True)
class Entry:
    """An item with what it shows.

    Attributes:
        item: Its row.
        name: Who speaks, or what it is.
        text: Its words.
        quoted: What a message quotes.
        data: The JSON of an item that has more than words.
        images: Its images and files.
        feedback: The thumbs of people.
        place: What stands where its image would; empty if that is shown.
        end: Why there is no result, where it tells of that.
    """

    item: models.ThreadItem
    name: Any
    text: str = ""
    quoted: str = ""
    data: SafeString | str | None = None
    images: list[LinkedImage] = field(default_factory=list)
    feedback: list[models.Feedback] = field(default_factory=list)
    place: str = ""
    end: End | None = None

    @property
    def hidden(self) -> bool:
        """Whether the person in the chat never saw it."""
        return self.item.type in HIDDEN


class Transcript:
    """Items of a thread as its person saw them, in a fixed number of queries.

    Images, attachments, feedback and runs are those that their own pages would show.

    Args:
        site: The admin.
        request: Who looks, and by its query which items; see ``item_pages``.
        thread: The thread.
    """

    # Items of a page; None for the standard.
    limit: int | None = None
    # The key of the item that the page is about.
    here: int | None = None

    def __init__(
        self, site: AdminSite, request: HttpRequest, thread: models.Thread
    ) -> None:
        self.site, self.request, self.thread = site, request, thread

    @cached_property
    def page(self) -> ItemPage:
        """The items, with the ways to those before and behind."""
        return item_page(self.thread, self.request.GET, self.limit)

    @cached_property
    def entries(self) -> list[Entry]:
        """The items with what they show, oldest first."""
        return [self._entry(item) for item in self.page.items]

    def _entry(self, item: models.ThreadItem) -> Entry:
        images = self._images[item.pk]
        files = (self._attachments.get(key) for key in attachment_ids(item.payload))
        rows = [*images, *(file for file in files if file is not None)]
        is_image = item.type == "generated_image"
        return Entry(
            item,
            _("Note") if item.is_note else NAMES.get(item.type, item.type),
            text_of(item.payload),
            str(of(item.payload).get("quoted_text") or ""),
            None if item.type in SPOKEN else pretty(item.payload),
            [linked_image(self.site, row) for row in rows],
            self._feedback[item.pk],
            self._place_of_image(item, images) if is_image else "",
            self._end_of(item, images),
        )

    def _place_of_image(self, item: models.ThreadItem, images: list[Any]) -> str:
        """Return what its person, or these staff, read where they see no image."""
        if images:
            kept = next((image for image in images if image.is_withheld), None)
            return notes.withheld(kept).words if kept else ""
        if item.pk in self._not_for_them:
            return gettext("There is no image here that you may see.")
        return str(notes.REMOVED)

    def _end_of(self, item: models.ThreadItem, images: list[Any]) -> End | None:
        """Return why there is no result where a note, or a preview, says so."""
        key = notes.row_key(item.item_id) if item.is_note else None
        row = next(iter(images), None) or (self._runs.get(key) if key else None)
        if row is None or not row.reason:
            return None
        url = page_url(self.site, type(row), "change", row.pk)
        # The badge of an image has its status already.
        told = row not in images or row.reason != row.status
        reason = words_of(row.reason) if told else ""
        return End(reason, failures.rows.text_of(row, "remedy"), url)

    @cached_property
    def _images(self) -> dict[int, list[Any]]:
        return self._by_item(models.GeneratedImage)

    @cached_property
    def _feedback(self) -> dict[int, list[Any]]:
        return self._by_item(models.Feedback)

    @cached_property
    def _not_for_them(self) -> set[int]:
        """The items whose images are there, whoever may see them."""
        rows = models.GeneratedImage.objects.filter(item__in=self.page.items)
        return set(rows.values_list("item_id", flat=True))

    @cached_property
    def _runs(self) -> dict[uuid.UUID, models.Run]:
        """The runs of which notes tell."""
        told = (notes.row_key(i.item_id) for i in self.page.items if i.is_note)
        rows = visible(self.site, self.request, models.Run)
        found: dict[uuid.UUID, models.Run] = rows.in_bulk(filter(None, told))
        return found

    @cached_property
    def _attachments(self) -> dict[str, models.Attachment]:
        keys = [k for item in self.page.items for k in attachment_ids(item.payload)]
        rows = visible(self.site, self.request, models.Attachment)
        found: dict[str, models.Attachment] = rows.in_bulk(keys)
        return found

    def _by_item(self, model: type[Any]) -> dict[int, list[Any]]:
        rows = visible(self.site, self.request, model)
        found: dict[int, list[Any]] = defaultdict(list)
        for row in rows.filter(item__in=self.page.items).order_by("pk"):
            found[row.item_id].append(row)
        return found


def text_of(payload: Any) -> str:
    """Return the words of a message."""
    content = of(payload).get("content")
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    words = "\n".join(text for text in texts if isinstance(text, str))
    return references.readable(words, str(_("[image]")), str(_("[file]")))


def attachment_ids(payload: Any) -> list[str]:
    """Return the ids of a message's attachments."""
    keys = of(payload).get("attachments")
    return [str(key) for key in keys] if isinstance(keys, list) else []


def of(payload: Any) -> dict[str, Any]:
    """Return the payload, empty if it is not of ChatKit's shape."""
    return payload if isinstance(payload, dict) else {}
