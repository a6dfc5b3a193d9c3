"""What is measured in a process: stalls of the event loop, pauses, memory."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
TICK = 0.001


class LoopProbe:
    """Sleeps a millisecond over and over; what it oversleeps is a stall.

    Attributes:
        longest: The longest stall, in seconds.
        longest_collection: The longest pause of the garbage collector, in seconds.
            It is part of the stalls, not on top of them.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.longest_collection = 0.0
        self._collecting = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LoopProbe:
        # What the preparation left behind is not this measurement's garbage.
        gc.collect()
        gc.callbacks.append(self._collected)
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0.05)
        self.longest = self.longest_collection = 0.0
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        gc.callbacks.remove(self._collected)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, time.perf_counter() - before - TICK)

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collecting = now
        else:
            self.longest_collection = max(
                self.longest_collection, now - self._collecting
            )


def resident_mb() -> float:
    """Return the process's memory; 0 where the system does not tell."""
    return _status("VmRSS")


def peak_mb() -> float:
    """Return the most memory since ``reset_peak``; 0 where the system does not tell."""
    return _status("VmHWM")


def reset_peak() -> None:
    """Let the peak begin anew, if the system permits.

    It often does not matter: before the measurement there is nothing large.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _status(name: str) -> float:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0
    )
