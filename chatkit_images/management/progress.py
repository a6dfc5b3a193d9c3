"""How far a command is, said to whoever watches it."""

from __future__ import annotations

import time
from typing import Any

# Seconds between two lines.
PAUSE = 0.2


class Progress:
    """Says in one line, again and again, how many rows of what there were so far.

    Nothing is said where nobody watches: in a file, a pipe, or a log of cron.

    Args:
        stream: Where it is said: the error output of a command.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._watched = bool(stream.isatty())
        self._last = 0.0
        self._width = 0

    def __call__(self, what: str, count: int) -> None:
        """Say it, unless that was a moment ago."""
        now = time.monotonic()
        if self._watched and now - self._last >= PAUSE:
            self._last = now
            line = f"{what}: {count}"
            self._stream.write("\r" + line.ljust(self._width), ending="")
            self._width = len(line)
            self._stream.flush()

    def end(self) -> None:
        """Leave the line to what is written next."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r", ending="")
            self._width = 0
