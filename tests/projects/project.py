"""A project in a directory of its own, made and run as its developer would."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.ports import free_port
from tests.servers.browsing import get, until

from .kinds import Environment, Kind
from .processes import SHELL, Processes

KINDS = Path(__file__).parent / "kinds"


class Project:
    """A project of a kind.

    Args:
        kind: Which.
        directory: Where it is made.
        processes: What starts its processes.
        environment: More variables for them.
    """

    def __init__(
        self,
        kind: Kind,
        directory: Path,
        processes: Processes,
        environment: Environment,
    ) -> None:
        self.kind = kind
        self.directory = directory
        self.processes = processes
        self.environment = SHELL | environment

    def make(self) -> None:
        """Begin as Django does, and add the files of every project and of the kind.

        What is called ``settings.py`` is added to the settings that are there.
        """
        self.run("-m", "django", "startproject", "shop", str(self.directory))
        package = self.directory / "shop"
        for folder in (KINDS / "base", KINDS / self.kind.name):
            for source in sorted(folder.rglob("*.*")):
                target = package / source.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.name == "settings.py":
                    with target.open("a") as file:
                        file.write(f"\n{source.read_text()}")
                elif source.suffix in (".py", ".html"):
                    shutil.copyfile(source, target)

    def run(self, *command: str) -> str:
        """Return what a command says in an interpreter that has imported nothing."""
        done = subprocess.run(
            [self.processes.python, *command],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-6000:]}"
        return done.stdout

    def manage(self, *arguments: str, fails: bool = False) -> str:
        """Return what a command of ``manage.py`` says.

        Args:
            arguments: The command.
            fails: Whether it must fail.
        """
        log = self.directory / "manage.out"
        log.unlink(missing_ok=True)
        pid = self._start(("manage.py", *arguments), log)
        status = self.processes.wait(pid, 120)
        said = log.read_text()
        assert status is not None, f"{arguments} does not end: {said[-6000:]}"
        assert (status != 0) == fails, f"{arguments}: {said[-6000:]}"
        return said

    @contextmanager
    def serve(self, *command: str, of: str) -> Iterator[str]:
        """Run a server of an application, and yield its URL."""
        port = free_port()
        log = self.directory / f"{command[0]}.log"
        pid = self._start(("-m", *command, str(port), of), log)
        url = f"http://127.0.0.1:{port}"

        def started() -> bool:
            try:
                # Any answer will do: a project of tenants knows no such host.
                return bool(get(f"{url}/").status_code)
            except httpx2.TransportError:
                ended = self.processes.wait(pid, 0)
                assert ended is None, log.read_text()[-6000:]
                return False

        until(started, 120, f"{command[0]} of {self.kind}")
        try:
            yield url
        finally:
            self.processes.end(pid)

    def log(self) -> str:
        """Return what the servers have written."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(log.read_text() for log in logs)

    def _start(self, command: tuple[str, ...], log: Path) -> int:
        return self.processes.start(command, self.directory, self.environment, log)
