"""Who chats in the fixture, and how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import URL, ChatClient, message

RESUME = {"ChatKit-Resume": "1"}


class Person(ChatClient):
    """Somebody's browser, the model that answers, and the store that a project has."""

    def __init__(self, model: LoopbackAPI) -> None:
        super().__init__()
        self.model = model
        self.store = DjangoStore()

    async def ask(self, text: str, key: str | None, *steps: Any, **more: Any) -> Any:
        """Send a message that is answered with steps; return the events."""
        async with self.asking(text, key, *steps, **more) as events:
            return [event async for event in events]

    @asynccontextmanager
    async def asking(
        self, text: str, key: str | None, *steps: Any, **more: Any
    ) -> AsyncIterator[Any]:
        """Send a message; the block gets its events while they come."""
        self.model.respond_with(*steps)
        # The SDK asks again after an answer without words.
        if not any(isinstance(step, Text) for step in steps):
            self.model.respond_with(Text("There."))
        params: dict[str, Any] = {"input": message(text) | more}
        op = "threads.create"
        if key is not None:
            op, params["thread_id"] = "threads.add_user_message", key
        response = await self.request_op(op, params, headers=RESUME)
        assert response.status_code == 200, response.content
        yield numbered(response)
        # What the model was not asked for is no answer to the next message.
        self.model.reset()

    async def begin(self, title: str, text: str, *steps: Any, **more: Any) -> str:
        """Begin a thread, give it a title and return its id."""
        events = await self.ask(text, None, *steps, **more)
        # A reader that was slower than the run gets it again, in the digest.
        created = next(each for each in events if each["type"] == "thread.created")
        key = str(created["thread"]["id"])
        await self.call("threads.update", thread_id=key, title=title)
        return key

    async def context(self, key: str) -> RequestContext:
        """Return the context of the owner of a thread."""
        row = await models.Thread.objects.select_related("user").aget(pk=key)
        return RequestContext(row.user, row.owner, "http://testserver")

    async def stop(self, key: str) -> None:
        """Press the stop button."""
        response = await self.post(f"{URL}threads/{key}/stop/")
        assert response.json() == {"stopped": True}, response.content


async def numbered(response: Any) -> AsyncIterator[Any]:
    """Yield the events of a stream whose frames have numbers."""
    buffer = b""
    async for chunk in response.streaming_content:
        *frames, buffer = (buffer + chunk).split(b"\n\n")
        for frame in frames:
            data = frame.rpartition(b"data: ")[2]
            if data.startswith(b"{"):
                yield json.loads(data)
    assert not buffer, "the stream ended inside a frame"


async def reach(gate: Gate, preview: bool = True, **which: Any) -> None:
    """Wait until the model holds an image, and the app has its row or its preview."""
    assert await asyncio.to_thread(gate.reached.wait, 30), "the model was not called"
    rows = models.GeneratedImage.objects.filter(status="generating")
    rows = rows.filter(partials__isnull=not preview, run__status="running", **which)
    async with asyncio.timeout(30):
        while not await rows.aexists():
            await asyncio.sleep(0.01)
