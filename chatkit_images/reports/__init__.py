"""What is told of each run and each image when it has ended: a line of the log, a span.

All of it is read from the rows, so whoever ends them tells the same: their own process,
another one that takes a run over, or a command.
"""

from __future__ import annotations

from .facts import Phase, of_image, of_run, owner_digest, phases_of
from .log import connect
from .tracing import carrier, enter

__all__ = [
    "Phase",
    "carrier",
    "connect",
    "enter",
    "of_image",
    "of_run",
    "owner_digest",
    "phases_of",
]
