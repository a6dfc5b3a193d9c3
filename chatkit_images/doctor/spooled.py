"""Files that wait in the spool of this host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from .. import storage
from ..conf import settings
from ..maintenance import adopt
from ..maintenance.flush import waiting
from .drift import IN_A_ROW, PAGE, Finding, GivenUp, Look
from .files import in_batches

SPOOLED = "spooled-files"


def find(look: Look) -> Iterator[Finding]:
    """Yield the spooled files that no process is working on."""
    refused: list[str] = []
    for batch in in_batches(waiting(), PAGE):
        known = storage.whereabouts.ask(batch)
        for name in batch:
            try:
                status = storage.spool.path_of(name).stat()
            except FileNotFoundError:
                continue  # Another process has flushed it.
            why = "it waits for its storage" if name in known else "no row names it"
            mend = partial(_move, name, name in known, refused)
            where = [known.get(name) or storage.current_alias()]
            yield Finding(SPOOLED, name, why, status.st_size, mend, storages=where)
        look.count(len(batch))


def _move(name: str, is_known: bool, refused: list[str]) -> bool:
    """Move a file to its storage, or delete one of a row that is long gone."""
    path = storage.spool.path_of(name)
    try:
        is_left = not is_known and _is_old(name)
    except FileNotFoundError:
        return True  # Another process has flushed it, or a person has deleted it.
    if is_left and not storage.whereabouts.ask([name]):
        storage.spool.drop(name)
        return True
    moved = storage.flush_spool([name])
    adopt(moved)
    if not path.exists():
        refused.clear()
        return True
    refused.append(name)
    if len(refused) == IN_A_ROW:
        raise GivenUp("The storage refuses one file after the other; see the log.")
    return False


def _is_old(name: str) -> bool:
    """Whether a file has waited so long that no process can be about to name it."""
    age = time.time() - storage.spool.path_of(name).stat().st_mtime
    handed_over = storage.spool.HANDED_OVER
    if age > handed_over / 2:
        age -= handed_over
    return age > settings.SWEEP_GRACE_SECONDS
