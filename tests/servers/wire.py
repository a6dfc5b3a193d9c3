"""Requests byte by byte: what no HTTP client would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.client import URL

from .browsing import TOKEN, Browser
from .conftest import Server

LISTING = b'{"type": "threads.list", "params": {}}'
KIND = "Content-Type: application/json"


@dataclass(frozen=True)
class Answer:
    """What a server sent until it closed the connection.

    Attributes:
        status: The status, 0 if there was no answer.
        head: The status line and the headers.
        body: What followed them, in whatever chunks.
    """

    status: int
    head: bytes
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a stream, each of which came in a chunk of its own."""
        lines = self.body.splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


@contextmanager
def connection(server: Server, seconds: float = 60) -> Iterator[socket.socket]:
    """Connect to a server."""
    at = urlsplit(server.url)
    with socket.create_connection((at.hostname, at.port), timeout=seconds) as wire:
        yield wire


def head(browser: Browser, line: str = f"POST {URL} HTTP/1.1", *headers: str) -> bytes:
    """Return the start of a request of Ann's, without the empty line."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    lines = (
        line,
        "Host: localhost",
        f"Cookie: {cookies}",
        f"X-CSRFToken: {TOKEN}",
        "Connection: close",
        *headers,
    )
    return "".join(f"{text}\r\n" for text in lines).encode("latin-1")


def length(body: bytes) -> str:
    """Return the header that tells a body's length."""
    return f"Content-Length: {len(body)}"


def read(wire: socket.socket) -> Answer:
    """Return what comes until the server closes the connection."""
    data = b""
    try:
        while part := wire.recv(2**16):
            data += part
    except ConnectionResetError:
        # It did not read to the end what it was sent.
        pass
    start, _, rest = data.partition(b"\r\n\r\n")
    status = int(start.split(b" ", 2)[1]) if start.startswith(b"HTTP/1.1 ") else 0
    return Answer(status, start, rest)


def ask(server: Server, data: bytes, *, hang_up: bool = False) -> Answer:
    """Send bytes, maybe nothing more after them, and return the answer."""
    with connection(server) as wire:
        try:
            wire.sendall(data)
            if hang_up:
                wire.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            # It has answered before it had everything.
            pass
        return read(wire)
