"""Real servers in processes of their own, on the database of the tests."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connection

from chatkit_images.models import Run
from chatkit_images.testing import LoopbackAPI

from .browsing import Browser, until

ROOT = Path(__file__).resolve().parent.parent.parent
APPLICATION = "tests.servers.asgi:application"
COMMANDS = {
    "daphne": ["daphne", "--application-close-timeout", "1", "-b", "127.0.0.1", "-p"],
    "uvicorn": ["uvicorn", "--lifespan", "off", "--host", "127.0.0.1", "--port"],
}
TROUBLE = re.compile(r"Traceback|Error|Exception|Warning|WARNING|never awaited")
# Django's note of an answer with a status of 4xx, and the end of our own probe.
EXPECTED = re.compile(r"WARNING +([A-Z][A-Za-z ]+: /|.*uri=/deaf/ )")


@dataclass
class Server:
    """A running server.

    Attributes:
        name: ``"daphne"`` or ``"uvicorn"``.
        url: Where it answers.
        log: What it writes to.
    """

    name: str
    url: str
    log: Path

    def troubles(self, start: int = 0) -> list[str]:
        """Return the lines of the log that no healthy server writes."""
        lines = self.log.read_text()[start:].splitlines()
        return [
            line for line in lines if TROUBLE.search(line) and not EXPECTED.search(line)
        ]


@pytest.fixture(scope="session", params=list(COMMANDS))
def process(
    request: pytest.FixtureRequest,
    loopback: tuple[LoopbackAPI, str],
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Start a server and stop it after its last test."""
    scratch = tmp_path_factory.mktemp(request.param)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.servers.settings",
        "CHATKIT_LOOPBACK_URL": loopback[1],
        "CHATKIT_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "CHATKIT_TEST_FILES": str(scratch),
        "PYTHONUNBUFFERED": "1",
        # ChatKit warns of its own widgets while it is imported.
        "PYTHONWARNINGS": "default,ignore::DeprecationWarning",
    }
    # Asyncio's debug mode would complain of a busy machine.
    environment.pop("PYTHONDEVMODE", None)
    log = scratch / "log"
    command = [sys.executable, "-m", *COMMANDS[request.param], port, APPLICATION]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    server = Server(request.param, f"http://127.0.0.1:{port}", log)

    def started() -> bool:
        assert child.poll() is None, log.read_text()
        try:
            return httpx.get(f"{server.url}/deaf/killed/").status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(started, 60, f"{request.param}, {log}")
        yield server
    finally:
        child.terminate()
        child.wait(20)
    assert server.troubles() == []


@pytest.fixture
def server(process: Server, model: LoopbackAPI, ann: User) -> Iterator[Server]:
    """A server that is at rest before and after the test, and has not complained."""
    start = len(process.log.read_text())
    yield process
    until(lambda: not Run.objects.running().exists(), what="the end of every run")
    assert process.troubles(start) == []


@pytest.fixture
def browser(server: Server, ann: User) -> Iterator[Browser]:
    with Browser(server.url, ann) as browser:
        yield browser


@pytest.fixture
def own_media(settings: Any) -> None:
    """Leave the files to the server: this process has none."""
