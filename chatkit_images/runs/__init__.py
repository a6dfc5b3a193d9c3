"""Runs: one task per turn that writes to a log, which clients read."""

from __future__ import annotations

from . import drain
from .claims import Replayed, check_replay, find
from .following import follow, stop
from .log import Batch, Batches
from .polling import recent
from .runner import LIVE, LiveRun
from .starting import start
from .supervisor import Watch, supervisor

__all__ = [
    "LIVE",
    "Batch",
    "Batches",
    "LiveRun",
    "Replayed",
    "Watch",
    "check_replay",
    "drain",
    "find",
    "follow",
    "recent",
    "start",
    "stop",
    "supervisor",
]
