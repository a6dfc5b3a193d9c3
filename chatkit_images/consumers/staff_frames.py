"""The events of a run as staff may see them: with the admin's URLs, or without."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import url_tokens
from ..cleaning import map_strings
from ..models import Attachment, GeneratedImage
from ..queries import own_urls, references
from ..views.staff import StaffView

Event = dict[str, Any]
# What no URL contains. A text is shown up to the last one: the rest may become a URL.
GAP = re.compile(r".*[\s\"'()<>]", re.DOTALL)
# What each URL of the app has.
SLASH = "/"
# What an attachment says to its owner only.
OWNERS_OWN = ("preview_url", "upload_descriptor")


@dataclass
class EventFiles:
    """The files that an event shows, by what its URLs say of them."""

    images: set[uuid.UUID] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


class StaffFrames:
    """Rewrites the events of one run, in their order.

    An event is made for the owner of the thread: its URLs carry the owner's authority.
    Each becomes the address of the admin's own route, if the person may see the row
    there, and an empty text if not. What the model writes comes in pieces, so a word is
    held back until it is complete.
    """

    def __init__(self) -> None:
        # The beginning of a word, by the text in which it stands.
        self._held: dict[tuple[str, Any], list[str]] = {}

    def held_back(self, event: Event) -> Event:
        """Return an event without the word in which its text ends."""
        item = event.get("item") or {}
        match event["type"]:
            case "thread.item.updated":
                return event | {"update": self._update(event)}
            case "thread.item.added" if item.get("type") == "assistant_message":
                parts = [
                    self._part((item["id"], index), part)
                    for index, part in enumerate(item.get("content") or ())
                ]
                return event | {"item": item | {"content": parts}}
            case "thread.item.done" | "thread.item.replaced" | "thread.item.removed":
                gone = item.get("id") or event.get("item_id")
                self._held = {k: v for k, v in self._held.items() if k[0] != gone}
        return event

    def _update(self, event: Event) -> Event:
        update: Event = event["update"]
        kind = update["type"]
        key = (
            event["item_id"],
            update.get("content_index", update.get("component_id")),
        )
        if kind.endswith("content_part.added"):
            return update | {"content": self._part(key, update["content"])}
        if kind.endswith("content_part.done"):
            self._held.pop(key, None)
        elif "delta" in update:
            delta = self._complete(key, update["delta"], bool(update.get("done")))
            return update | {"delta": delta}
        return update

    def _part(self, key: tuple[str, Any], part: Event) -> Event:
        self._held.pop(key, None)
        return part | {"text": self._complete(key, part.get("text") or "", False)}

    def _complete(self, key: tuple[str, Any], text: str, ends: bool) -> str:
        """Return a text with the beginning that was held back, up to its last gap."""
        gap = GAP.match(text)
        if not (ends or gap):
            self._held.setdefault(key, []).append(text)
            return ""
        end = len(text) if ends or gap is None else gap.end()
        complete = "".join(self._held.pop(key, [])) + text[:end]
        if end < len(text):
            self._held[key] = [text[end:]]
        return complete


def needs_database(value: Any) -> bool:
    """Whether something may have a URL, or files."""
    return any(SLASH in text for text in references.strings(value))


def rewritten(event: Event, view: StaffView) -> Event:
    """Return an event with the admin's URLs. Not for the event loop."""
    of_event = EventFiles()
    item = event.get("item") or {}
    attached = item.get("attachments") or []
    of_event.files.update(str(each["id"]) for each in attached)
    urls = _rewriting(lambda kind, key, variant: _note(of_event, kind, key))
    map_strings(event, urls)
    named = GeneratedImage.objects.filter(
        thread=view.row, file__in=of_event.names
    ).values_list("file", "pk")
    names: dict[str, uuid.UUID] = dict(named) if of_event.names else {}
    of_event.images.update(names.values())
    images = view.rows(GeneratedImage, of_event.images)
    files = view.rows(Attachment, of_event.files)

    def url(kind: str, key: Any, variant: str) -> str:
        if kind == "name":
            kind, key = "image", names.get(key)
        row = images.get(key) if kind == "image" else files.get(key)
        return "" if row is None else view.image_url(row, variant)

    shown: Event = map_strings(event, _rewriting(url))
    if attached:
        kept = [
            _attachment(each, files[each["id"]], view)
            for each in shown["item"]["attachments"]
            if each["id"] in files
        ]
        shown["item"] = shown["item"] | {"attachments": kept}
    return shown


def _attachment(shown: Event, row: Attachment, view: StaffView) -> Event:
    shown = {name: value for name, value in shown.items() if name not in OWNERS_OWN}
    return shown | {"preview_url": view.image_url(row, "thumbnail")}


def _note(of_event: EventFiles, kind: str, key: Any) -> str:
    found: dict[str, set[Any]] = {
        "image": of_event.images,
        "attachment": of_event.files,
        "name": of_event.names,
    }
    # The URLs of what is not looked up become empty texts.
    if len(found[kind]) < own_urls.MOST:
        found[kind].add(key)
    return ""


def _rewriting(url: Callable[[str, Any, str], str]) -> Callable[[str], str]:
    """Return a function that replaces each URL of the app in a text.

    Args:
        url: Gets the kind of what a URL shows, its key and the variant of its bytes.
    """

    def of_token(match: re.Match[str]) -> str:
        token = url_tokens.read(match[1], expired_ok=True)
        if token is None:
            return match[0]  # It is nothing of the app's, or opens nothing.
        key: Any = token.key
        if token.kind == "image":
            key = uuid.UUID(token.key)
        elif token.kind != "attachment":
            return ""
        return url(token.kind, key, token.variant)

    def of_session(match: re.Match[str]) -> str:
        variant = match[0].rstrip("/").rpartition("/")[2]
        return url("image", uuid.UUID(match[1]), variant)

    def change(text: str) -> str:
        if SLASH not in text:
            return text
        text = own_urls.OUR_URL.sub(of_token, text)
        text = own_urls.SESSION_URL.sub(of_session, text)
        return own_urls.STORAGE_URL.sub(lambda m: url("name", m[1], "full"), text)

    return change
