"""What ASGI servers do with a run at SIGTERM, a slow reader, and a large body.

    pip install hypercorn granian gunicorn uvicorn-worker
    python benchmarks/servers.py

It prints the table of the documentation. A server that is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx2
import psutil

from chatkit_images.testing import LoopbackAPI, serve

ROOT = Path(__file__).resolve().parent.parent
APP = "servers_apps:application"
MEGABYTE = 2**20
WORKER = "uvicorn_worker.UvicornWorker"
# By name: the packages it needs, and its command line, which lacks the port.
SERVERS = {
    "Daphne": (["daphne"], ["daphne", "-b", "127.0.0.1", APP, "-p"]),
    "uvicorn": (["uvicorn"], ["uvicorn", "--lifespan", "off", APP, "--port"]),
    "hypercorn": (["hypercorn"], ["hypercorn", APP, "--bind"]),
    "granian": (
        ["granian"],
        ["granian", "--interface", "asginl", "--workers", "1", APP, "--port"],
    ),
    "gunicorn, uvicorn's worker": (
        ["gunicorn", "uvicorn_worker"],
        ["gunicorn", "-k", WORKER, "--graceful-timeout", "60", APP, "--bind"],
    ),
    "gunicorn, its own worker": (
        ["gunicorn.asgi"],
        ["gunicorn", "-k", "asgi", "--graceful-timeout", "60", APP, "--bind"],
    ),
}
# Seconds between the previews of an image, and how long a server may take for anything.
PAUSE, PATIENCE = 1.5, 60
BODY = 64
MESSAGE = {
    "type": "threads.create",
    "params": {
        "input": {
            "content": [{"type": "input_text", "text": "A red fox"}],
            "attachments": [],
            "inference_options": {},
        }
    },
}


@dataclass
class Process:
    """A server that runs.

    Attributes:
        url: Where it answers.
        root: The process that was started; a server may have more below it.
    """

    url: str
    root: psutil.Process

    @property
    def memory(self) -> int:
        """Bytes that it and its children hold."""
        found = 0
        for process in [self.root, *self.root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                found += process.memory_info().rss
        return found


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[Process]:
    """Run a server until it answers, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    at = port if command[-1] in ("-p", "--port") else f"127.0.0.1:{port}"
    child = psutil.Popen(
        [sys.executable, "-m", *command, at],
        cwd=Path(__file__).parent,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process = Process(f"http://127.0.0.1:{port}", psutil.Process(child.pid))
    try:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with suppress(httpx2.TransportError):
                if httpx2.post(f"{process.url}/sink/", content=b"").text == "read":
                    break
            time.sleep(0.2)
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            for each in [*process.root.children(recursive=True), process.root]:
                each.kill()
        child.wait()


def at_sigterm(server: Process) -> str:
    """Return what becomes of a run that a SIGTERM meets in its first preview."""
    client = httpx2.Client(base_url=server.url, timeout=PATIENCE)
    client.get("/")
    headers = {"X-CSRFToken": client.cookies["csrftoken"]}
    kinds: list[str] = []
    told = 0.0
    request = client.stream("POST", "/chatkit/", json=MESSAGE, headers=headers)
    with suppress(httpx2.TransportError), request as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line.removeprefix("data: "))
            kinds.append(event["type"])
            if event["type"] == "thread.item.updated" and not told:
                if event["update"]["type"] != "generated_image.updated":
                    continue
                server.root.send_signal(signal.SIGTERM)
                told = time.monotonic()
            if event["type"] == "thread.item.done":
                kinds.append(event["item"]["type"])
    streamed = time.monotonic() - told
    with suppress(psutil.TimeoutExpired):
        server.root.wait(PATIENCE)
    ended = time.monotonic() - told
    whole = kinds[-2:] == ["thread.item.done", "assistant_message"]
    has_image = "generated_image" in kinds
    words = "ends whole" if whole and has_image else "is cut"
    return f"{words} after {streamed:.0f} s; exit after {ended:.0f} s"


class Growth:
    """Looks at a server's memory in a thread, while the body of a ``with`` works."""

    def __init__(self, server: Process) -> None:
        self.server = server
        self.before = self.most = server.memory
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, self.server.memory)

    def __enter__(self) -> Growth:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def __str__(self) -> str:
        return f"+{max(0, self.most - self.before) / MEGABYTE:.0f} MB"


def slow_reader(server: Process) -> str:
    """Return by how much a server grows whose client reads nothing of a flood."""
    with Growth(server) as growth, connection(server) as wire:
        wire.sendall(b"GET /flood/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(4)
    return str(growth)


def large_body(server: Process) -> str:
    """Return by how much a server grows with a body, and whether it takes it."""
    status = "cut off"
    lines = (
        "POST /sink/ HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {BODY * MEGABYTE}",
        "Connection: close",
    )
    with Growth(server) as growth, connection(server) as wire:
        with suppress(OSError):
            wire.sendall("\r\n".join([*lines, "", ""]).encode())
            for _ in range(BODY):
                wire.sendall(bytes(MEGABYTE))
        with suppress(OSError, IndexError):
            status = wire.recv(100).split(b" ")[1].decode()
    return f"{status}, {growth}"


def connection(server: Process) -> socket.socket:
    """Return a new connection to a server."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def main() -> None:
    """Print a row for each server that is installed."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print("| Server | SIGTERM in a run | Slow reader | Body of 64 MB |")
    print("|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(LoopbackAPI(delay=PAUSE, max_side=256)) as model,
    ):
        files = Path(folder)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "DATABASE_URL": f"sqlite:///{files / 'db.sqlite3'}",
            "MEDIA_ROOT": str(files / "media"),
            "CHATKIT_LOOPBACK_URL": model,
        }
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        for name, (packages, command) in SERVERS.items():
            if not all(installed(package) for package in packages):
                continue
            with running(command, environment) as server:
                cells = [slow_reader(server), large_body(server)]
            with running(command, environment) as server:
                cells.insert(0, at_sigterm(server))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
