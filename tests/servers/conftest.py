"""Real servers in processes of their own, on the database of the tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.db import connection

from chatkit_images.models import Run
from chatkit_images.testing import LoopbackAPI
from tests.ports import free_port

from .browsing import Browser, get, until

ROOT = Path(__file__).resolve().parent.parent.parent
APPLICATION = "tests.servers.asgi:application"
# What Daphne leaves a request whose client has gone: more than a busy machine needs.
CLOSE_SECONDS = 5
COMMANDS = {
    "daphne": [
        *("daphne", "--application-close-timeout", str(CLOSE_SECONDS)),
        *("-b", "127.0.0.1", "-p"),
    ],
    "uvicorn": ["uvicorn", "--lifespan", "off", "--host", "127.0.0.1", "--port"],
}
TROUBLE = re.compile(r"Traceback|Error|Exception|Warning|WARNING|never awaited")
# Django's note of an answer with a status of 4xx, the app's of a CSRF token, uvicorn's
# of what is no HTTP, and the end of our own probe.
EXPECTED = re.compile(
    r"WARNING:? +([A-Z][A-Za-z ]+: /|CSRF check failed: |Invalid HTTP request received"
    r"|.*uri=/deaf/ )"
    # Django forgets the body of a request whose answer is cut.
    r"|.*ResourceWarning: Unclosed file <tempfile.SpooledTemporaryFile"
)


@dataclass
class Server:
    """A running server.

    Attributes:
        name: ``"daphne"`` or ``"uvicorn"``.
        door: ``"view"`` or ``"consumer"``.
        url: Where it answers.
        log: What it writes to.
        pid: Its process.
        forgiven: Up to where the log is not looked at for troubles.
    """

    name: str
    door: str
    url: str
    log: Path
    pid: int
    forgiven: int = field(default=0, init=False)

    def forgive(self) -> str:
        """Return what the log says by now; all of it was to be expected."""
        text = self.log.read_text()
        self.forgiven = len(text)
        return text

    def troubles(self, start: int = 0) -> list[str]:
        """Return the lines that no healthy server writes, with what is around them."""
        lines = self.log.read_text()[max(start, self.forgiven) :].splitlines()
        return [
            "\n".join(lines[max(0, number - 3) : number + 40])
            for number, line in enumerate(lines)
            if TROUBLE.search(line) and not EXPECTED.search(line)
        ]

    def probe(self) -> dict[str, int]:
        """Return what the process says of itself."""
        found: dict[str, int] = get(f"{self.url}/probe/").json()
        return found

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def descriptors(self) -> int:
        """How many files and connections it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self, name: str = "VmRSS") -> int:
        """Return how many bytes of memory it holds, or held at most (``VmHWM``)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise LookupError(name)


DOORS = ("view", "consumer")
PROCESSES = [f"{server}-{door}" for server in COMMANDS for door in DOORS]


@contextmanager
def serving(
    kind: str,
    scratch: Path,
    loopback: str,
    *,
    root: Path = ROOT,
    files: Path | None = None,
    **settings: Any,
) -> Iterator[Server]:
    """Run a server on the database of the tests.

    Args:
        kind: Its name and the door, with a hyphen between them.
        scratch: Where its files and its log go.
        loopback: URL of the model.
        root: Where its code is.
        files: Where its files go instead.
        settings: More of ``CHATKIT_IMAGES``.
    """
    name, _, door = kind.partition("-")
    port = str(free_port())
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.servers.settings",
        "CHATKIT_LOOPBACK_URL": loopback,
        "CHATKIT_TEST_DOOR": door,
        "CHATKIT_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "CHATKIT_TEST_FILES": str(files or scratch),
        "CHATKIT_TEST_SETTINGS": json.dumps(settings),
        "PYTHONUNBUFFERED": "1",
        # ChatKit warns of its own widgets while it is imported.
        "PYTHONWARNINGS": "default,ignore::DeprecationWarning",
    }
    # Asyncio's debug mode would complain of a busy machine.
    environment.pop("PYTHONDEVMODE", None)
    log = scratch / "log"
    command = [sys.executable, "-m", *COMMANDS[name], port, APPLICATION]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=root, env=environment, stdout=output, stderr=output
        )
    server = Server(name, door, f"http://127.0.0.1:{port}", log, child.pid)

    def started() -> bool:
        assert child.poll() is None, log.read_text()
        try:
            return get(f"{server.url}/deaf/killed/").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        until(started, 120, f"{kind}, {log}")
        yield server
    finally:
        child.terminate()
        child.wait(60)


@pytest.fixture(scope="session", params=PROCESSES)
def process(
    request: pytest.FixtureRequest,
    loopback: tuple[LoopbackAPI, str],
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Start a server and stop it after its last test."""
    scratch = tmp_path_factory.mktemp(request.param)
    with serving(request.param, scratch, loopback[1]) as server:
        yield server
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
