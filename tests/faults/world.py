"""A world of its own for each fault: a database, files, and processes that may die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.tuning import merged

from .arming import VARIABLE, Fault
from .databases import Database
from .storages import BUCKET, answers

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


class ForkServer:
    """The parent of every process that the tests start; see ``forkserver``.

    Args:
        scratch: Where its log goes.
        inside: The module that has what its children do.
    """

    def __init__(self, scratch: Path, inside: str = "tests.faults.inside") -> None:
        self._inside = inside
        # Asyncio's debug mode would complain of a busy machine.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDEVMODE"}
        self.log = scratch / "forkserver.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.forkserver"],
                cwd=ROOT,
                env=environment | {"PYTHONWARNINGS": "ignore"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._read()

    def spawn(
        self,
        target: str,
        environment: dict[str, str],
        log: Path,
        result: Path | None = None,
        **arguments: Any,
    ) -> int:
        """Start the function of a name in a process; return its id."""
        request = {
            "inside": self._inside,
            "target": target,
            "arguments": arguments,
            "environment": environment,
            "log": str(log),
            "result": str(result or ""),
        }
        return int(self._ask(request)["pid"])

    def wait(self, pid: int, seconds: float) -> int | None:
        """Return a child's exit code or minus its signal; ``None`` if it runs on."""
        status = self._ask({"wait": pid, "seconds": seconds})["status"]
        return None if status is None else int(status)

    def close(self) -> None:
        """End the server, which ends its children."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The fork server ended: {self.log.read_text()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class Process:
    """A server process."""

    pid: int
    url: str
    log: Path


def stop(pid: int, seconds: float = 10) -> None:
    """Stop a process; when this returns, all of its threads stand still.

    One that was busy as the signal came goes on until it learns of it.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while any(state not in "tT" for state in states(pid)):
        assert time.monotonic() < deadline, f"{pid} does not stop."
        time.sleep(0.001)


def states(pid: int) -> Iterator[str]:
    """Yield the letter of each thread's state; of none without ``/proc``."""
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # It has ended meanwhile.
            # Behind the name, which may have anything in it.
            yield path.read_text().rpartition(") ")[2][:1]


@dataclass
class World:
    """What outlives a process: database, files, and how the app is set up.

    Attributes:
        folder: Everything of this world is in it.
        database: Name of the database.
        endpoint: URL of an S3 server; empty for the filesystem.
        bucket_root: Folder that the S3 server serves.
        settings: More of ``CHATKIT_IMAGES``.
        port: Where the servers find PostgreSQL, if not where the tests do.
        door: ``"view"`` or ``"consumer"``: what the servers answer with.
        patience: Seconds that the servers wait for others to write to SQLite.
    """

    folder: Path
    forks: ForkServer
    databases: Database
    database: str
    cookies: dict[str, str]
    endpoint: str = ""
    bucket_root: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    door: str = "view"
    patience: float = 20
    _results: int = 0

    def environment(
        self, fault: Fault | None = None, **settings: Any
    ) -> dict[str, str]:
        """Return what a process of this world gets to know."""
        # Each process makes a scratch directory while it reads the tests' settings.
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "TEST_DATABASE": self.databases.kind,
            "TMPDIR": str(scratch),
            "CHATKIT_LOOPBACK_URL": self.databases.loopback,
            "CHATKIT_FAULTS_WORLD": str(self.folder),
            "CHATKIT_FAULTS_DATABASE": self.database,
            "CHATKIT_FAULTS_PATIENCE": str(self.patience),
            "CHATKIT_FAULTS_S3": self.endpoint,
            "CHATKIT_FAULTS_SETTINGS": json.dumps(merged(self.settings, settings)),
            "CHATKIT_TEST_DOOR": self.door,
            VARIABLE: fault.dump() if fault else "",
            **({"PGPORT": str(self.port)} if self.port else {}),
        }

    @contextmanager
    def server(
        self,
        fault: Fault | None = None,
        *,
        kind: str = "daphne",
        door: str | None = None,
        **settings: Any,
    ) -> Iterator[Process]:
        """Run a server that may be about to die."""
        port = free_port()
        log = self.folder / f"server-{port}.log"
        environment = self.environment(fault, **settings)
        environment["CHATKIT_TEST_DOOR"] = door or self.door
        pid = self.forks.spawn("serve", environment, log, port=port, kind=kind)
        process = Process(pid, f"http://127.0.0.1:{port}", log)
        with ExitStack() as stack:
            stack.callback(self._end, process)
            deadline = time.monotonic() + START_SECONDS
            while not answers(port):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"No server: {log.read_text()}")
                time.sleep(0.01)
            yield process

    @contextmanager
    def asleep(self, process: Process) -> Iterator[None]:
        """Let a server sleep, in a moment in which nobody waits for what it writes.

        Who sleeps in the middle of a transaction keeps the database from all others:
        that is the database's own matter.
        """
        stop(process.pid)
        while self.databases.held(self.database):
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.01)
            stop(process.pid)
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGCONT)

    def killed(self, process: Process, seconds: float = 30) -> bool:
        """Whether a server dies by SIGKILL within some seconds."""
        return self.ended(process, seconds) == -signal.SIGKILL

    def ended(self, process: Process, seconds: float = 30) -> int | None:
        """Return how a server has ended within some seconds, ``None`` if it has not."""
        status = self.forks.wait(process.pid, seconds)
        process.pid = process.pid if status is None else 0
        return status

    def run(
        self,
        target: str,
        fault: Fault | None = None,
        *,
        seconds: float = 120,
        options: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> tuple[int | None, Any]:
        """Run a function in a process of its own; return how it ended and its value."""
        self._results += 1
        result = self.folder / f"result-{self._results}.json"
        log = self.folder / f"{target}-{self._results}.log"
        environment = self.environment(fault, **(options or {}))
        pid = self.forks.spawn(target, environment, log, result, **arguments)
        status = self.forks.wait(pid, seconds)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            self.forks.wait(pid, 10)
            raise TimeoutError(f"{target} did not end: {log.read_text()}")
        if status > 0:
            raise AssertionError(f"{target} failed: {log.read_text()}")
        value = json.loads(result.read_text()) if result.exists() else None
        return status, value

    def files(self) -> dict[str, str]:
        """Return every file there is, by its name and the place it is in.

        The folder is read, not the app's listing: nothing escapes that, except the
        marker, which the sweep leaves there.
        """
        roots = {"spool": self.folder / "spool", "storage": self.folder / "media"}
        if self.bucket_root is not None:
            roots["storage"] = self.bucket_root / BUCKET / self.folder.name
        found: dict[str, str] = {}
        for place, root in roots.items():
            for path in root.rglob("*"):
                if path.is_file() and path.name != "installation.json":
                    name = path.relative_to(root).as_posix()
                    found[name] = f"{found[name]}, {place}" if name in found else place
        return found

    def logs(self) -> str:
        """Return what the processes have said, for a failure."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def _end(self, process: Process) -> None:
        if process.pid and self.forks.wait(process.pid, 0) is None:
            os.kill(process.pid, signal.SIGKILL)
            self.forks.wait(process.pid, 10)
