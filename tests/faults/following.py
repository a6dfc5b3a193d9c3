"""A client that comes back: it reads a run on, from whichever process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2

from tests.client import URL, message

Frame = tuple[int, dict[str, Any]]
RESUME = {"ChatKit-Resume": "1"}


def frames(response: httpx2.Response) -> Iterator[Frame]:
    """Yield number and event of each frame up to the end of the stream.

    Raises:
        TransportError: If it was cut, be it that its last frame has no end.
    """
    number, line = 0, ""
    for line in response.iter_lines():
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])
            number = 0
    if line:
        raise httpx2.RemoteProtocolError(line)


def kinds(event: dict[str, Any]) -> set[str]:
    """Return the type of an event, and that of its update."""
    return {event["type"], event.get("update", {}).get("type", "")}


class Follower:
    """Reads one run, over as many connections as it takes.

    Attributes:
        frames: What came, in its order.
        run: The run, when it has begun.
        whole: Whether the stream has come to its end.
    """

    def __init__(self, cookies: httpx2.Cookies) -> None:
        self.cookies = cookies
        self.frames: list[Frame] = []
        self.run = ""
        self.whole = False

    @property
    def last(self) -> int:
        """Number of the last event that can be read on from."""
        return max((number for number, _ in self.frames), default=0)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in self.frames]

    @property
    def thread(self) -> str:
        """The thread that the run has made."""
        created = next(e for e in self.events if e["type"] == "thread.created")
        return str(created["thread"]["id"])

    def ask(
        self, url: str, text: str = "Draw a meadow.", until: str = "", **headers: str
    ) -> int:
        """Begin a conversation; read up to an event of a type, or to the end."""
        body = {"type": "threads.create", "params": {"input": message(text)}}
        return self._read(url, "POST", URL, until, RESUME | headers, json=body)

    def resume(self, url: str, until: str = "") -> int:
        """Read on behind the last event."""
        path = f"{URL}runs/{self.run}/events/"
        return self._read(url, "GET", path, until, {"Last-Event-ID": str(self.last)})

    def _read(
        self,
        url: str,
        method: str,
        path: str,
        until: str,
        headers: dict[str, str],
        **more: Any,
    ) -> int:
        token = self.cookies["csrftoken"]
        try:
            with (
                httpx2.Client(
                    base_url=url, cookies=self.cookies, trust_env=False, timeout=30
                ) as client,
                client.stream(
                    method, path, headers=headers | {"X-CSRFToken": token}, **more
                ) as response,
            ):
                if response.status_code != 200:
                    response.read()
                    return response.status_code
                self.run = response.headers["ChatKit-Run"]
                for frame in frames(response):
                    self.frames.append(frame)
                    if until and until in kinds(frame[1]):
                        return 200
                self.whole = True
                return 200
        except httpx2.TransportError:
            return 0
