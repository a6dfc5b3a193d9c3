"""What a person gets, and when, while a storage is in trouble."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from chatkit_images import storage
from chatkit_images.conf import settings
from chatkit_images.models import GeneratedImage
from tests.client import ChatClient, message, read_events
from tests.image_files import SVG, image_file

FORMATS = {
    form: image_file("green", form.upper()) for form in ("png", "jpeg", "webp")
} | {
    "gif": image_file("green", "GIF"),
    "svg": SVG,
}


@dataclass
class Answer:
    """The events of an answer, and the seconds after which each of them came."""

    events: list[tuple[float, dict[str, Any]]]

    def times(self, kind: str, item_type: str = "") -> list[float]:
        """Return when the events of a type came."""
        return [
            at
            for at, event in self.events
            if event["type"] == kind
            and (not item_type or event["item"]["type"] == item_type)
        ]

    @property
    def text_at(self) -> float:
        """When the last words came."""
        texts = ("assistant_message.content_part.text_delta",)
        return max(
            at
            for at, event in self.events
            if event["type"] == "thread.item.updated"
            and event["update"]["type"] in texts
        )

    @property
    def done_at(self) -> float:
        """When the image was there."""
        (at,) = self.times("thread.item.done", "generated_image")
        return at

    @property
    def item(self) -> dict[str, Any]:
        """The image's item."""
        (item,) = [
            event["item"]
            for _, event in self.events
            if event["type"] == "thread.item.done"
            and event["item"]["type"] == "generated_image"
        ]
        return dict(item)


async def listen(chat: ChatClient, text: str) -> Answer:
    """Ask in a new thread and note when each event comes."""
    response = await chat.request_op("threads.create", {"input": message(text)})
    assert response.status_code == 200, response.content
    began, events = time.monotonic(), []
    async for event in read_events(response):
        events.append((time.monotonic() - began, event))
    return Answer(events)


async def served(chat: ChatClient, item: dict[str, Any]) -> bytes:
    """Return the bytes behind the URL of an image item."""
    response = await chat.get(item["image"]["url"])
    assert response.status_code == 200, response.content
    return bytes(response.content)


async def only_image() -> GeneratedImage:
    """Return the one image there is."""
    return await GeneratedImage.objects.aget()


@sync_to_async(thread_sensitive=False)
def in_storage(name: str) -> bytes:
    """Return the bytes that the storage itself has."""
    with storage.get_storage().open(name, "rb") as file:
        return bytes(file.read())


async def arrives(
    chat: ChatClient, item: dict[str, Any], name: str, data: bytes, seconds: float = 30
) -> None:
    """Wait until the storage has the bytes of an image, and they are served.

    A write that hung may be tried again; rclone writes in place, and answers who reads
    in that moment with an error.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            assert await in_storage(name) == data
            assert await served(chat, item) == data
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


@sync_to_async(thread_sensitive=False)
def flush() -> bool:
    """Run the command that empties the spool; whether it is empty in the end.

    A busy S3 server may refuse one write; the command is there to be run again.
    """
    for _ in range(10):
        try:
            call_command("chatkit_images_flush_spool", verbosity=0)
        except CommandError:
            time.sleep(0.3)
        else:
            return True
    return False


def spooled() -> list[str]:
    """Return every file in the spool, whoever is at work on it."""
    root = settings.SPOOL_DIR
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*.*"))
