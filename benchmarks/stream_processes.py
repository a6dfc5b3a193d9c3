"""The processes of a measurement: the model, the server, the clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS, REST_SECONDS = 0.1, 0.3


class Observed:
    """What the system tells of a process, and the most of it while ``watching``.

    Attributes:
        peak: The most memory in KB, threads and database connections.
    """

    def __init__(self, pid: int, connections: Callable[[], int]) -> None:
        self.pid = pid
        self.connections = connections
        self.peak = {"memory": 0, "threads": 0, "connections": 0}

    def memory(self) -> int:
        """Return resident memory in KB."""
        return self._status("VmRSS")

    def most_memory(self) -> int:
        """Return the most resident memory since it was reset, in KB."""
        return self._status("VmHWM")

    def threads(self) -> int:
        """Return how many threads there are."""
        return self._status("Threads")

    def busy(self) -> float:
        """Return seconds of processor time, those of all threads."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    @contextmanager
    def watching(self) -> Iterator[dict[str, int]]:
        """Yield the most of everything, sampled until the end."""
        self.peak = {"memory": 0, "threads": 0, "connections": 0}
        over = threading.Event()

        def watch() -> None:
            while not over.wait(SAMPLE_SECONDS):
                for name, most in self.peak.items():
                    self.peak[name] = max(most, getattr(self, name)())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield self.peak
        finally:
            over.set()
            thread.join()

    def rest(self) -> None:
        """Wait until it does next to nothing: what came before is over."""
        done = self.busy()
        while True:
            time.sleep(REST_SECONDS)
            if (now := self.busy()) - done < REST_SECONDS / 10:
                return
            done = now

    def settled(self) -> int:
        """Return the memory when it has stopped to grow, in KB."""
        before = self.memory()
        while True:
            time.sleep(1)
            if (now := self.memory()) <= before * 1.002:
                return now
            before = now

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


@contextmanager
def spawn(script: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script of this folder, and end it."""
    command = [sys.executable, str(HERE / script), *args]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints.

    Raises:
        SystemExit: If there is none; it has written to the terminal why.
    """
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise SystemExit(f"A measurement failed: {process.args}")
    return line


@contextmanager
def run_model() -> Iterator[str]:
    """Run the model server and yield its base URL."""
    with spawn("stream_model.py") as process:
        yield line_of(process)


@contextmanager
def run_server(cell: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Run the measured process and yield its id and the line that it prints."""
    with spawn("stream_server.py", json.dumps(cell)) as process:
        yield process.pid, line_of(process)


class Clients:
    """A process of clients; see ``stream_clients.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.opened: dict[str, Any] = json.loads(line_of(process))
        if self.opened["statuses"] != ["200"]:
            raise SystemExit(f"A stream was refused: {self.opened['head']}")

    def close(self) -> dict[str, Any]:
        """Let the streams that are held go, and return what was seen."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.seen()

    def seen(self) -> dict[str, Any]:
        """Return what the clients saw, when all streams have ended."""
        seen: dict[str, Any] = json.loads(line_of(self._process))
        return seen


@contextmanager
def run_clients(**cell: Any) -> Iterator[Clients]:
    """Run clients and yield them when each has its first event."""
    with spawn("stream_clients.py", json.dumps(cell)) as process:
        yield Clients(process)
