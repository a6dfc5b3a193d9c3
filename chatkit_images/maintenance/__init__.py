"""Work over all rows and files, one module for each command.

``sweep`` ends what a crash left behind, ``flush`` moves the spool to the storage, and
``verify`` compares the storage with the rows. ``orphans`` are files without a row. The
``marker`` of a storage guards it against the jobs of another database.
``retention`` deletes what is past its time: what may be is said by ``due``, and how
long each owner's is kept by ``owners_retention``; ``sizes`` counts the bytes of rows.
``erase`` erases a person, by ``erasure_rows``, with one of the ``receipts``.
``repricing`` computes costs again.
"""

from __future__ import annotations

from .erase import ErasureFailed, erase
from .flush import flush_spool, flushing, spooled, waiting
from .marker import NotOurFiles, claim, guard, storages_in_use
from .moves import Move, MoveRefused
from .moving import move_storage
from .orphans import adopt, find_orphans
from .receipts import Receipt, digest_of
from .repricing import Repriced, reprice
from .retention import RetentionReport, apply_retention
from .sweep import Settled, SweepRefused, sweep
from .troubles import Troubles
from .verify import Finding, StorageSilent, verify

__all__ = [
    "ErasureFailed",
    "Finding",
    "Move",
    "MoveRefused",
    "NotOurFiles",
    "Receipt",
    "Repriced",
    "RetentionReport",
    "Settled",
    "StorageSilent",
    "SweepRefused",
    "Troubles",
    "adopt",
    "apply_retention",
    "claim",
    "digest_of",
    "erase",
    "find_orphans",
    "flush_spool",
    "flushing",
    "guard",
    "move_storage",
    "reprice",
    "spooled",
    "storages_in_use",
    "sweep",
    "verify",
    "waiting",
]
