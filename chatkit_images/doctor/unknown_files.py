"""Files that no row names in the storage that has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from .. import models, storage
from ..conf import settings
from ..maintenance import Troubles, adopt, orphans
from .drift import PAGE, Finding, Look, MendRefused
from .files import in_batches
from .inventory import Listed

UNKNOWN = "unknown-files"


def find(look: Look) -> Iterator[Finding]:
    """Yield the old files that no row names in their storage."""
    refused = _suspicious(look)
    for alias in look.inventory.aliases:
        files = (file for file in _strange(look) if file.alias == alias)
        for batch in in_batches(files, PAGE):
            names = [file.name for file in batch]
            unknown = set(orphans.unknown(names))
            unknown -= _awaited(names)
            for file in batch:
                if file.name in unknown:
                    why = f"no row names it in {alias}"
                    mend = partial(_mend, file, look, alias in refused)
                    found = file.name, why, file.size or 0, mend
                    yield Finding(UNKNOWN, *found, storages=[alias])


def _strange(look: Look) -> Iterator[Listed]:
    for part in look.inventory.parts():
        for key, file in part.listed.items():
            if key not in part.named and file.age > settings.SWEEP_GRACE_SECONDS:
                yield file


def _suspicious(look: Look) -> set[str]:
    """Return the storages of which so many files are unknown that they are others'."""
    listed, strange = Counter[str](), Counter[str]()
    for part in look.inventory.parts():
        listed.update(alias for _, alias in part.listed)
    strange.update(file.alias for file in _strange(look))
    return {
        alias
        for alias, count in strange.items()
        if count > max(orphans.UNKNOWN_AT_ONCE, listed[alias] / 2) and not look.force
    }


def _awaited(names: list[str]) -> set[str]:
    """Return the names that images have reserved which are still being made."""
    keys = {storage.key_of(name): name for name in names}
    rows = models.GeneratedImage.objects.order_by().unfinished()
    found = rows.filter(key__in=list(keys)).values_list("key", flat=True)
    return {keys[key] for key in found}


def _mend(file: Listed, look: Look, refused: bool) -> bool:
    """Give a file to the image that has reserved its name, or delete it."""
    names, errors = [file.name], Troubles()
    if not orphans.unknown(names):
        return True
    if adopt(names, errors):
        return True
    if errors:
        raise errors[0]
    if orphans.reserved(names):
        return False  # The storage may give its bytes another time.
    if refused:
        why = "Most of its files are unknown. If they are to go, say so by --force."
        look.refuse(f"storage {file.alias}", MendRefused(why))
        return False
    look.ask(storage.delete, file.name, file.alias)
    return True
