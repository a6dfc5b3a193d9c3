"""Gates for what waits in another process than the test's."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.servers.browsing import until

PATIENCE = 60


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

    def wait_until_reached(self) -> None:
        """Wait until something waits; called by the test."""
        until(self.reached.exists, what="the gate")

    def pass_through(self) -> None:
        """Wait until the gate is open; called where it stands."""
        self.reached.touch()
        deadline = time.monotonic() + PATIENCE
        while not self.opened.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("Nobody opened the gate.")
            time.sleep(0.005)


def own_world() -> Path:
    """Return the folder of the world in which this process is."""
    return Path(os.environ["CHATKIT_FAULTS_WORLD"])
