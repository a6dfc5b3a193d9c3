"""Work over all rows and files, one module for each command.

``sweep`` ends what a crash left behind, ``flush`` moves the spool to the storage, and
``verify`` compares the storage with the rows. ``orphans`` are files without a row.
"""

from __future__ import annotations

from .flush import flush_spool, spooled
from .orphans import adopt, find_orphans
from .sweep import SweepRefused, sweep
from .verify import Finding, verify

__all__ = [
    "Finding",
    "SweepRefused",
    "adopt",
    "find_orphans",
    "flush_spool",
    "spooled",
    "sweep",
    "verify",
]
