"""Files that rows name, and that are not where the rows say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from .. import models, storage
from ..maintenance.orphans import UNKNOWN_AT_ONCE
from ..transactions import atomic
from .drift import Finding, Look, MendRefused, long_ago
from .files import is_there, rows_of, said
from .inventory import Named
from .lost_images import lose

MISSING = "missing-files"


def find(look: Look) -> Iterator[Finding]:
    """Yield the files that rows name and their storage does not have."""
    refused = _suspicious(look)
    for named in _absent(look):
        try:
            if _is_lost(named, look):
                why = f"{named.name} is not in {named.alias}"
                mend = partial(_mend, named, look, named.alias in refused)
                size, where = named.bytes or 0, [named.alias]
                yield Finding(MISSING, said(named), why, size, mend, storages=where)
        except Exception as error:
            look.fails(said(named), error)


def _absent(look: Look) -> Iterator[Named]:
    """Yield what is named and not listed, of old rows and young ones."""
    for part in look.inventory.parts():
        for key, rows in part.named.items():
            if key not in part.listed:
                # A client may not have written its upload yet.
                yield from (row for row in rows if row.field != "upload")


def _suspicious(look: Look) -> set[str]:
    """Return the storages of which so many files are absent that they may be others."""
    absent, named = Counter[str](), Counter[str]()
    for part in look.inventory.parts():
        for (_, alias), _ in part.named.items():
            named[alias] += 1
        for _, alias in part.named.keys() - part.listed.keys():
            absent[alias] += 1
    return {
        alias
        for alias, count in absent.items()
        if count > max(UNKNOWN_AT_ONCE, named[alias] / 2)
        and alias not in look.inventory.unlisted
        and not look.force
    }


def _is_lost(named: Named, look: Look) -> bool:
    """Whether an old row still names a file that is nowhere to be found there.

    The file of a young row may be in the spool of another host.
    """
    rows = rows_of(named).filter(created_at__lt=long_ago())
    if named.model == "GeneratedImage":
        # Its file comes long after its row.
        rows = rows.exclude(finished_at__gt=long_ago())
    return rows.exists() and not is_there(look, named.name, named.alias)


def _mend(named: Named, look: Look, refused: bool) -> bool:
    if not _is_lost(named, look):
        return True
    for alias in look.inventory.aliases:
        if alias != named.alias and is_there(look, named.name, alias):
            return look.is_ours(alias) and _bring(named, alias, look)
    if refused:
        why = "Most of its files are missing. If they are lost, say so by --force."
        look.refuse(f"storage {named.alias}", MendRefused(why))
        return False
    return lose(named, look)


def _bring(named: Named, alias: str, look: Look) -> bool:
    """Let a row name the storage that has all of its files, or bring the file back."""
    row = rows_of(named).first()
    if row is None:
        return True
    if all(is_there(look, blob.name, alias) for blob in row.blobs()):
        rows_of(named).update(storage_alias=alias)
        return True
    data = look.ask(storage.read, named.name, alias)
    if not look.ask(storage.store, named.name, data, named.alias):
        return False  # It is in the spool, and the copy stays until it is flushed.
    with atomic():
        # The row is locked while its other copy is noted for deletion.
        if rows_of(named).select_for_update().first() is not None:
            copy = storage.Blob(named.name, alias)
            models.DeletedFile.objects.schedule([copy])
    return True
