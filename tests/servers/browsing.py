"""A browser at a real server, as little of it as the tests need."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
from django.contrib.auth.models import User
from django.test import Client

from tests.client import URL

T = TypeVar("T")
TOKEN = "a" * 32
# For httpx2: no proxy, and time for a busy server.
PATIENT: dict[str, Any] = {"trust_env": False, "timeout": 60}


def until(seen: Callable[[], T], seconds: float = 30, what: str = "") -> T:
    """Return what a function returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := seen()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or seen} did not come within {seconds} s")
        time.sleep(0.01)
    return value


def get(url: str) -> httpx2.Response:
    """Ask as somebody without a cookie."""
    return httpx2.get(url, **PATIENT)


class Browser(httpx2.Client):
    """Ann's browser: her session, the CSRF token, ChatKit's requests."""

    def __init__(self, base_url: str, user: User) -> None:
        login = Client()
        login.force_login(user)
        super().__init__(
            base_url=base_url,
            cookies={
                "sessionid": login.cookies["sessionid"].value,
                "csrftoken": TOKEN,
            },
            headers={"X-CSRFToken": TOKEN},
            **PATIENT,
        )

    def ask(self, op: str, **params: Any) -> httpx2.Response:
        """Send an operation and return the whole answer."""
        return self.post(URL, json={"type": op, "params": params})

    def call(self, op: str, **params: Any) -> Any:
        """Return the JSON or the events that an operation is answered with."""
        response = self.ask(op, **params)
        assert response.status_code == 200, response.text
        if response.headers["Content-Type"] == "application/json":
            return response.json()
        return list(events_of(response.text.splitlines()))

    @contextmanager
    def open(self, op: str, **params: Any) -> Iterator[Stream]:
        """Open a stream; leaving the block closes the connection."""
        body = {"type": op, "params": params}
        with self.stream("POST", URL, json=body) as response:
            assert response.status_code == 200, response.read()
            yield Stream(response)


class Stream:
    """The events of an open stream, as they come."""

    def __init__(self, response: httpx2.Response) -> None:
        self.headers = response.headers
        self._socket = response.extensions["network_stream"].get_extra_info("socket")
        self._lines = response.iter_lines()
        self._events = events_of(self._lines)

    def until(self, kind: str) -> dict[str, Any]:
        """Return the next event of a type."""
        return next(event for event in self._events if event["type"] == kind)

    def break_off(self) -> None:
        """Let the connection end with a reset, as one that breaks off."""
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def heartbeat(self) -> None:
        """Wait for the next comment."""
        assert any(line.startswith(":") for line in self._lines)

    def rest(self) -> list[dict[str, Any]]:
        """Return every event up to the clean end of the stream."""
        return list(self._events)


def events_of(lines: Any) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream's lines."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
