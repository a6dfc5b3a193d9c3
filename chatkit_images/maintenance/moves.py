"""What a move of files is told, and what it tells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# Problems that are kept for the report; all are counted and logged.
KEPT_PROBLEMS = 100


@dataclass
class Move:
    """What a move has done so far.

    Attributes:
        rows: Rows whose files are in the other storage now, by model.
        files: How many files were copied.
        bytes: How many bytes these have.
        busy: Images that are being generated; they are moved by the next move.
        problems: Rows that stay where they are, and why; the first of them.
        failed: How many rows stay where they are because of a problem.
    """

    rows: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
    busy: int = 0
    problems: list[str] = field(default_factory=list)
    failed: int = 0


class MoveRefused(ValueError):
    """A move that makes no sense as it was asked for."""
