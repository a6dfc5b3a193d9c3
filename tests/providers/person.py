"""A person at one of the two doors, and what reaches their browser."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.test import AsyncClient

from tests.asgi import doors
from tests.client import ask_asgi, message, receive_stream

JSON = dict[str, Any]
#: What a provider must never get past this app, put into every word of its errors.
CANARY = "sk-canary-0123456789abcdef"


@dataclass
class Turn:
    """What a browser shows of one answer.

    Attributes:
        events: Every event of the stream.
        open: Ids of items that have begun and not ended.
        read: The words of messages that came bit by bit, by the message's id.
        previewed: Ids of images of which a preview was shown.
        items: The items that are left, by id, in the order in which they have begun.
    """

    events: list[JSON]
    open: set[str] = field(default_factory=set)
    read: dict[str, str] = field(default_factory=dict)
    previewed: set[str] = field(default_factory=set)
    items: dict[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        begun: dict[str, int] = {}
        for event in self.events:
            kind = event["type"]
            if "item" in event:
                begun.setdefault(event["item"]["id"], len(begun))
            if kind == "thread.item.added":
                self.open.add(event["item"]["id"])
            elif kind in ("thread.item.done", "thread.item.replaced"):
                item = event["item"]
                self.open.discard(item["id"])
                self.items[item["id"]] = item
            elif kind == "thread.item.updated":
                self._update(event["item_id"], event["update"])
            elif kind == "thread.item.removed":
                self.open.discard(event["item_id"])
                self.items.pop(event["item_id"], None)
        self.items = {
            key: self.items[key] for key in sorted(self.items, key=begun.__getitem__)
        }

    def _update(self, key: str, update: JSON) -> None:
        if update["type"].endswith(".text_delta"):
            self.read[key] = self.read.get(key, "") + update["delta"]
        elif update["type"] == "generated_image.updated":
            self.previewed.add(key)

    @property
    def errors(self) -> list[JSON]:
        """The errors that the stream has told."""
        return [event for event in self.events if event["type"] == "error"]

    @property
    def may_retry(self) -> bool | None:
        """Whether the browser offers to try again; ``None`` without an error."""
        return self.errors[-1]["allow_retry"] if self.errors else None

    @property
    def said(self) -> list[str]:
        """The texts of the answer, and the words of its errors."""
        errors = [str(event.get("message") or "") for event in self.errors]
        return [*texts(self.items.values()), *filter(None, errors)]


class Person:
    """A browser that is logged in and asks by one door.

    Attributes:
        heard: Every byte that reached it.
        turns: The answers so far.
        thread: The thread of the conversation.
    """

    def __init__(self, door: str) -> None:
        self.door = door
        self.client = AsyncClient()
        self.heard = b""
        self.turns: list[Turn] = []
        self.thread = ""

    async def log_in(self, name: str) -> None:
        """Become somebody."""
        user = await User.objects.acreate_user(name)
        await self.client.aforce_login(user)

    async def say(self, text: str, attachments: Any = ()) -> Turn:
        """Send a message and return what comes of it."""
        params: JSON = {"input": message(text, attachments)}
        if not self.thread:
            return await self._stream("threads.create", params)
        params["thread_id"] = self.thread
        return await self._stream("threads.add_user_message", params)

    async def retry(self, item_id: str) -> Turn:
        """Ask for another answer to a message."""
        params = {"thread_id": self.thread, "item_id": item_id}
        return await self._stream("threads.retry_after_item", params)

    async def reload(self) -> list[JSON]:
        """Return the items of the thread, oldest first."""
        params = {"thread_id": self.thread, "order": "asc", "limit": 100}
        browser = await self._ask("items.list", params)
        body = await receive_stream(browser)
        self.heard += body
        page: JSON = json.loads(body)
        assert not page["has_more"]
        data: list[JSON] = page["data"]
        return data

    async def load(self, url: str) -> bytes:
        """Return what is behind an image's URL; empty if there is nothing."""
        path = "/" + url.partition("://")[2].partition("/")[2] if "://" in url else url
        response = await self.client.get(path)
        if response.status_code != 200:
            return b""
        if response.streaming:
            return b"".join([part async for part in response.streaming_content])
        return bytes(response.content)

    async def _ask(self, op: str, params: JSON) -> Any:
        name = "sessionid"
        cookie = f"{name}={self.client.cookies[name].value}".encode()
        return await ask_asgi(doors[self.door], op, params, cookie)

    async def _stream(self, op: str, params: JSON) -> Turn:
        body = await receive_stream(await self._ask(op, params))
        self.heard += body
        frames = [part for part in body.split(b"\n\n") if part.startswith(b"data: ")]
        turn = Turn([json.loads(frame.removeprefix(b"data: ")) for frame in frames])
        for event in turn.events:
            if event["type"] == "thread.created":
                self.thread = event["thread"]["id"]
        self.turns.append(turn)
        return turn


def texts(items: Any) -> list[str]:
    """Return the texts of messages of the assistant."""
    return [
        part["text"]
        for item in items
        if item["type"] == "assistant_message"
        for part in item["content"]
    ]


def urls(items: Any) -> list[str]:
    """Return the URLs of images; empty for one that has none."""
    return [
        (item.get("image") or {}).get("url", "")
        for item in items
        if item["type"] == "generated_image"
    ]
