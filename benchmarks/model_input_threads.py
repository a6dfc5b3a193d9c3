"""A long thread with images, on this app and on ChatKit's SDK alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import sample_images
from model_input import EVERY
from model_input_app import App
from model_input_sdk import Sdk

from chatkit_images.testing import Image, Text

THREADS: dict[str, Any] = {"app": App, "SDK": Sdk}


async def hold(thread: App | Sdk, cell: dict[str, Any], meter: Any) -> None:
    """Hold a conversation: turns with images and files, then some with words only."""
    key = ""
    for number in range(cell["turns"] + cell["warm"]):
        sent: list[str] = []
        steps: list[Any] = [Text("Here it is.")]
        if number < cell["turns"]:
            data = sample_images.noise(cell["size"])
            if number % EVERY == EVERY - 1:
                sent = [await thread.upload(data)]
                await asyncio.sleep(cell["pause"])
            else:
                steps.insert(0, Image(data=data, partials=0))
        thread.api.respond_with(*steps)
        events = await thread.say(message(f"Image {number}, please.", sent, key))
        if len(meter.turns) != number + 1 or b"thread.item.done" not in b"".join(
            chunk[:60] for chunk in events
        ):
            raise RuntimeError(f"Turn {number} has no answer: {events[-1][:500]!r}")
        for chunk in events if not key else ():
            event = json.loads(chunk.partition(b"data: ")[2] or b"{}")
            if event.get("type") == "thread.created":
                key = event["thread"]["id"]
        # Requests of 100 MB would fill the memory.
        thread.api.requests.clear()


def message(text: str, sent: list[str], thread_id: str) -> bytes:
    """Return a request."""
    said = {
        "content": [{"type": "input_text", "text": text}],
        "attachments": sent,
        "quoted_text": None,
        "inference_options": {},
    }
    kind, where = "threads.create", {}
    if thread_id:
        kind, where = "threads.add_user_message", {"thread_id": thread_id}
    return json.dumps({"type": kind, "params": {"input": said, **where}}).encode()
