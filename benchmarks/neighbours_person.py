"""An ordinary person with a few open tabs: chat, upload, images, lists."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from neighbours_attacks import CHAT, asked, message
from neighbours_traffic import TOKEN

METRICS = ("first", "final", "image", "listing", "upload")
# Seconds for which a person waits for an answer, and between two things of a kind.
PATIENCE = 30
PAUSES = {"chat": 2.0, "upload": 2.0, "image": 0.3, "lists": 0.3}
DONE = 'data: {"type":"thread.item.done"'
CREATED = 'data: {"type":"thread.created"'
FILE = ("photo.jpg", "image/jpeg")


class Person:
    """A user who is logged in, and how long they wait.

    Attributes:
        times: Seconds by metric. What failed counts as ``PATIENCE``, so that quick
            refusals do not look like quick answers.
        failed: How many requests failed, by the reason.
    """

    def __init__(self, port: int, session: str, photo: bytes) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._session = session
        self._photo = photo
        self._thread = self._image = ""
        self._client: httpx2.AsyncClient
        self.times: dict[str, list[float]] = {}
        self.failed: Counter[str] = Counter()

    async def warm(self) -> None:
        """Do everything twice: imports and connections are not measured.

        Raises:
            SystemExit: If it fails although nobody else is there.
        """
        async with self._connected():
            for _ in range(2):
                for act in self._acts().values():
                    await act()
        if self.failed:
            raise SystemExit(f"The person cannot chat at all: {dict(self.failed)}")

    async def live(self, seconds: float) -> None:
        """Do everything again and again for a while."""
        self.times = {name: [] for name in METRICS}
        until = time.monotonic() + seconds

        async def repeat(act: Callable[[], Awaitable[None]], pause: float) -> None:
            while time.monotonic() < until:
                await act()
                await asyncio.sleep(min(pause, max(0, until - time.monotonic())))

        async with self._connected(), asyncio.TaskGroup() as group:
            for name, act in self._acts().items():
                group.create_task(repeat(act, PAUSES[name]))

    def _acts(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "chat": self.chat,
            "upload": self.upload,
            "image": self.image,
            "lists": self.lists,
        }

    def _connected(self) -> httpx2.AsyncClient:
        cookies = f"sessionid={self._session}; csrftoken={TOKEN}"
        headers = {
            "Cookie": cookies,
            "X-CSRFToken": TOKEN,
            "X-Forwarded-For": "10.1.1.1",
        }
        self._client = httpx2.AsyncClient(
            base_url=self._url, headers=headers, timeout=PATIENCE
        )
        return self._client

    async def chat(self) -> None:
        """Have an image generated, and read until its end."""
        body = message("image of a house by a lake")
        async with (
            self._timed("first", "final") as done,
            self._ask(body) as response,
        ):
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: "):
                    continue
                done("first")
                if line.startswith(CREATED):
                    self._thread = json.loads(line[6:])["thread"]["id"]
                elif line.startswith(DONE) and "generated_image" in line[:500]:
                    self._image = json.loads(line[6:])["item"]["image"]["url"]
                    done("final")

    async def upload(self) -> None:
        """Upload a photo; then it is taken away again, which is not measured."""
        name, mime = FILE
        async with self._timed("upload") as done:
            files = {"file": (name, self._photo, mime)}
            response = await self._client.post("/chatkit/attachments/", files=files)
            response.raise_for_status()
            done("upload")
            gone = asked("attachments.delete", attachment_id=response.json()["id"])
            await self._told(gone)

    async def image(self) -> None:
        """Load the newest image."""
        async with self._timed("image") as done:
            response = await self._client.get(self._image)
            response.raise_for_status()
            done("image")

    async def lists(self) -> None:
        """Load the newest threads, then the items of one."""
        async with self._timed("listing") as done:
            await self._told(asked("threads.list", limit=20, order="desc"))
            done("listing")
        async with self._timed("listing") as done:
            body = asked("items.list", thread_id=self._thread, limit=20, order="desc")
            await self._told(body)
            done("listing")

    async def _told(self, body: bytes) -> Any:
        async with self._ask(body) as response:
            response.raise_for_status()
            return json.loads(await response.aread())

    def _ask(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        return self._client.stream("POST", CHAT, content=body, headers=headers)

    @asynccontextmanager
    async def _timed(self, *metrics: str) -> AsyncIterator[Callable[[str], None]]:
        """Yield what notes the time of a metric, once; others fail at the end."""
        began, waiting = time.monotonic(), list(metrics)

        def done(metric: str) -> None:
            if metric in waiting:
                waiting.remove(metric)
                self._note(metric, time.monotonic() - began)

        try:
            async with asyncio.timeout(PATIENCE):
                yield done
            reason = "incomplete" if waiting else ""
        except httpx2.HTTPStatusError as error:
            reason = str(error.response.status_code)
        except (httpx2.HTTPError, TimeoutError) as error:
            reason = type(error).__name__
        if reason:
            self.failed[reason] += 1
        for metric in waiting:
            self._note(metric, PATIENCE)

    def _note(self, metric: str, seconds: float) -> None:
        self.times.setdefault(metric, []).append(seconds)
