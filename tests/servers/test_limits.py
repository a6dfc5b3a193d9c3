"""A server that may open no more files."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from django.contrib.auth.models import User

from chatkit_images.models import Run
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import URL, done_items, message

from .browsing import Browser, until
from .conftest import ROOT, Server, serving
from .wire import KIND, LISTING, connection, head, length

HELLO = {"input": message("Hello")}


@contextmanager
def limited(server: Server, more: int) -> Iterator[None]:
    """Let a server open so many more files, as ``ulimit -n`` does."""
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    most = server.descriptors + more
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)


def status_of(wire: socket.socket) -> int:
    """Return the status that comes, 0 if nothing does."""
    with suppress(OSError):
        wire.settimeout(0.5)
        start = wire.recv(12)
        return int(start[9:12] or 0)
    return 0


@pytest.fixture(params=["daphne-view", "uvicorn-consumer"])
def server(
    request: pytest.FixtureRequest,
    loopback: tuple[LoopbackAPI, str],
    ann: User,
    tmp_path: Path,
) -> Iterator[Server]:
    """One of this test's own: what it logs at the limit is thousands of lines."""
    with serving(request.param, tmp_path, loopback[1]) as server:
        yield server


@pytest.mark.row("O13")
def test_a_server_without_files_refuses_and_recovers(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(gate, Text("Done."))
    line = f"POST {URL} HTTP/1.1"
    request = head(browser, line, KIND, length(LISTING)) + b"\r\n" + LISTING
    with (
        limited(server, 40),
        ExitStack() as clients,
        browser.open("threads.create", **HELLO) as stream,
    ):
        assert gate.reached.wait(30)
        wires = [clients.enter_context(connection(server)) for _ in range(80)]
        for wire in wires[:40]:
            with suppress(OSError):
                wire.sendall(request)
        time.sleep(1)
        # Served, refused, or not even heard; nothing in between.
        assert {status_of(wire) for wire in wires[:40:8]} <= {0, 200, 500, 503}
        # Who has a stream keeps it.
        stream.heartbeat()
        clients.close()

        def served() -> bool:
            with suppress(httpx2.TransportError):
                return browser.ask("threads.list").status_code == 200
            return False

        # When others have gone, it takes the next one.
        until(served, 60, "a server that recovers")
        gate.open()
        (item,) = done_items(stream.rest(), "assistant_message")
        assert item["content"][0]["text"] == "Done."
    until(lambda: not Run.objects.running().exists())
    assert Run.objects.get().status == "completed"


@pytest.mark.row("O13")
def test_the_limit_of_open_files_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert "`ulimit -n`" in page
