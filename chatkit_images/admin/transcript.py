"""The items of a thread, as a person reads them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .. import models
from ..queries import references
from .base import page_url, visible
from .image_model import ImageModelAdmin
from .markup import badge, pretty

LIMIT = 200
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
class LinkedImage:
    """An image, with its page and its words."""

    html: SafeString | str
    url: str
    label: SafeString | str = ""


@dataclass(frozen=True)
class Entry:
    """An item with what it shows."""

    item: models.ThreadItem
    name: Any
    text: str = ""
    quoted: str = ""
    data: SafeString | str | None = None
    images: list[LinkedImage] = field(default_factory=list)
    feedback: list[SafeString] = field(default_factory=list)

    @property
    def hidden(self) -> bool:
        """Whether the person in the chat never saw it."""
        return self.item.type in HIDDEN

    @property
    def is_image(self) -> bool:
        """Whether it is a generated image."""
        return self.item.type == "generated_image"


class Transcript:
    """The newest items of a thread, in their order, in five queries.

    Images, attachments and feedback are those that their own pages would show.
    """

    limit = LIMIT

    def __init__(
        self, site: AdminSite, request: HttpRequest, thread: models.Thread
    ) -> None:
        self.site, self.request, self.thread = site, request, thread

    @cached_property
    def entries(self) -> list[Entry]:
        """The items, oldest first."""
        images = self._by_item(models.GeneratedImage)
        feedback = self._by_item(models.Feedback)
        attachments = self._attachments()
        return [
            Entry(
                item,
                _("Note") if item.is_note else NAMES.get(item.type, item.type),
                text_of(item.payload),
                str(of(item.payload).get("quoted_text") or ""),
                None if item.type in SPOKEN else pretty(item.payload),
                [
                    *(self._linked_image(image) for image in images[item.pk]),
                    *(
                        self._linked_image(attachments[key])
                        for key in attachment_ids(item.payload)
                        if key in attachments
                    ),
                ],
                [badge(row.kind, row.get_kind_display()) for row in feedback[item.pk]],
            )
            for item in self._items
        ]

    @cached_property
    def older(self) -> int:
        """How many items are left out."""
        return self.thread.items.count() - len(self._items)

    @cached_property
    def _items(self) -> list[models.ThreadItem]:
        newest = self.thread.items.order_by("-created_at", "-pk")[: self.limit]
        return list(reversed(newest))

    def _by_item(self, model: type[Any]) -> dict[int, list[Any]]:
        rows = visible(self.site, self.request, model)
        found: dict[int, list[Any]] = defaultdict(list)
        for row in rows.filter(item__in=self._items).order_by("pk"):
            found[row.item_id].append(row)
        return found

    def _attachments(self) -> dict[str, models.Attachment]:
        keys = [key for item in self._items for key in attachment_ids(item.payload)]
        rows = visible(self.site, self.request, models.Attachment)
        found: dict[str, models.Attachment] = rows.in_bulk(keys)
        return found

    def _linked_image(self, obj: Any) -> LinkedImage:
        model_admin = self.site.get_model_admin(type(obj))
        html: SafeString | str = str(obj)
        if isinstance(model_admin, ImageModelAdmin):
            html = model_admin.image(obj)
        if isinstance(obj, models.Attachment):
            label: SafeString | str = obj.name
        elif obj.status == models.GeneratedImage.Status.COMPLETED:
            label = ""
        else:
            label = badge(obj.status, obj.get_status_display())
        return LinkedImage(
            html, page_url(self.site, type(obj), "change", obj.pk), label
        )


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
