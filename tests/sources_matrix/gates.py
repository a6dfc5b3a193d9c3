"""Gates for what waits in another process than the test's."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60
PLAN = "plan.json"


@dataclass(frozen=True)
class FileGate:
    """A gate whose two states are files of a world."""

    folder: Path

    @property
    def reached(self) -> Path:
        return self.folder / "gate-reached"

    @property
    def opened(self) -> Path:
        return self.folder / "gate-opened"

    def open(self) -> None:
        """Let what waits go on."""
        self.opened.touch()

    def pass_through(self) -> None:
        """Wait until the gate is open; called where it stands."""
        self.reached.touch()
        deadline = time.monotonic() + PATIENCE
        while not self.opened.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("Nobody opened the gate.")
            time.sleep(0.005)


@dataclass(frozen=True)
class Plan:
    """What a process of the world does with the next image.

    Attributes:
        end: How it ends.
        held: Whether it waits at the gate.
        gate: The gate.
    """

    end: str
    held: bool
    gate: FileGate

    def hold(self) -> None:
        """Wait at the gate, if there is one."""
        if self.held:
            self.gate.pass_through()


def planned() -> Plan:
    """Return the plan of the world in which this process is."""
    folder = Path(os.environ["CHATKIT_FAULTS_WORLD"])
    return Plan(**json.loads((folder / PLAN).read_text()), gate=FileGate(folder))
