"""A project in a directory of its own, made and run as its developer would."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.ports import free_port
from tests.servers.browsing import get, until

from .kinds import Environment, Kind

KINDS = Path(__file__).parent / "kinds"
# What a developer's shell does not have.
OURS = ("DJANGO_", "PYTHON", "PYTEST", "COV_", "TOX", "TEST_DATABASE", "REDIS_URL")


class Project:
    """A project of a kind.

    Args:
        kind: Which.
        directory: Where it is made.
        python: The interpreter that has the app.
        environment: More variables for its processes.
    """

    def __init__(
        self, kind: Kind, directory: Path, python: Path, environment: Environment
    ) -> None:
        self.kind = kind
        self.directory = directory
        self.python = python
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OURS)
        }
        self.environment = kept | environment | {"PYTHONUNBUFFERED": "1"}

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

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Return what a command of Python's says.

        Args:
            arguments: The command.
            fails: Whether it must fail.
        """
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        said = done.stdout
        assert (done.returncode != 0) == fails, f"{arguments}: {said[-6000:]}"
        return said

    def manage(self, *arguments: str, fails: bool = False) -> str:
        """Return what a command of ``manage.py`` says."""
        return self.run("manage.py", *arguments, fails=fails)

    @contextmanager
    def serve(self, *command: str, of: str) -> Iterator[str]:
        """Run a server of an application, and yield its URL."""
        port = free_port()
        log = self.directory / f"{command[0]}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                [self.python, "-m", *command, str(port), of],
                cwd=self.directory,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        url = f"http://127.0.0.1:{port}"

        def started() -> bool:
            assert child.poll() is None, log.read_text()[-6000:]
            try:
                # Any answer will do: a project of tenants knows no such host.
                return bool(get(f"{url}/").status_code)
            except httpx2.TransportError:
                return False

        try:
            until(started, 120, f"{command[0]} of {self.kind}")
            yield url
        finally:
            child.terminate()
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def log(self) -> str:
        """Return what the servers have written."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(log.read_text() for log in logs)
