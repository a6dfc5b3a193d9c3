"""Processes of the projects, as children of one that has imported the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FORKSERVER = Path(__file__).with_name("forkserver.py")
# What a developer's shell does not have.
OURS = ("DJANGO_", "PYTHON", "PYTEST", "COV_", "TOX", "TEST_DATABASE", "REDIS_URL")
SHELL = {
    name: value for name, value in os.environ.items() if not name.startswith(OURS)
} | {"PYTHONUNBUFFERED": "1"}


class Processes:
    """Starts processes in the projects' interpreter, and waits for their ends.

    Attributes:
        python: The interpreter.
    """

    def __init__(self, python: Path, child: subprocess.Popen[str]) -> None:
        self.python = python
        self._child = child

    def start(
        self, command: tuple[str, ...], directory: Path, environment: Any, log: Path
    ) -> int:
        """Return the process id of a command; what it says is added to a file."""
        request = {"command": command, "directory": str(directory)}
        answer = self._ask(request | {"environment": environment, "log": str(log)})
        return int(answer["pid"])

    def wait(self, pid: int, seconds: float) -> int | None:
        """Return how a process has ended, ``None`` if it has not in this time."""
        status: int | None = self._ask({"wait": pid, "seconds": seconds})["status"]
        return status

    def end(self, pid: int) -> None:
        """End a process, and wait until it has."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            if self.wait(pid, 60) is not None:
                return

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())


@contextmanager
def processes(python: Path) -> Iterator[Processes]:
    """Start the parent of all processes, and end it with them."""
    with subprocess.Popen(
        [python, str(FORKSERVER)],
        env=SHELL | {"OPENAI_AGENTS_DISABLE_TRACING": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield Processes(python, child)
        finally:
            assert child.stdin is not None
            child.stdin.close()
            child.wait(60)
