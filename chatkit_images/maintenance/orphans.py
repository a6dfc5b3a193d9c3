"""Orphans: files that no row names, and the images that reserved their names.

All files of a storage are looked at in slices. The names of orphans are kept in a
temporary file, so that memory does not grow with them: beside a wrong database each
file is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from tempfile import TemporaryFile
from typing import Self

from .. import models, storage
from ..conf import settings
from ..queries import endings, file_names

Status = models.GeneratedImage.Status
# Complete and blocked images need no file.
SETTLED = models.GeneratedImage.SETTLED
BATCH = 500
# The sweep deletes so many unknown files without doubting that this is their database.
UNKNOWN_AT_ONCE = 100


class Names:
    """Names of files in a temporary file.

    Attributes:
        count: How many there are.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - see close()
        self.count = 0

    def add(self, names: Iterable[str]) -> None:
        """Write names down."""
        for name in names:
            self._file.write(f"{name}\n")
            self.count += 1

    def pages(self, size: int = BATCH) -> Iterator[list[str]]:
        """Yield the names, so many at a time."""
        self._file.seek(0)
        names = (line.rstrip("\n") for line in self._file)
        while page := list(islice(names, size)):
            yield page

    def close(self) -> None:
        """Forget them."""
        self._file.close()


class Orphans:
    """What the files of one storage are. Use it as a context manager.

    Attributes:
        listed: How many files the storage has in all.
        unknown: Old files that no row names.
        adopted: How many files were given to images meanwhile.
    """

    def __init__(self) -> None:
        self.listed = self.adopted = 0
        self.unknown = Names()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.unknown.close()

    @property
    def are_suspicious(self) -> bool:
        """Whether so many are unknown that this is probably another database."""
        return self.unknown.count > max(UNKNOWN_AT_ONCE, self.listed / 2)


def find_orphans(
    errors: list[Exception] | None = None,
    alias: str | None = None,
    *,
    adopts: bool = False,
) -> Orphans:
    """Look at all files of a storage, and return the old ones that no row names.

    A file whose name some row has is known, even if that row names another storage: one
    place may have two aliases.

    Args:
        errors: Gets what the storage raises about single files.
        alias: The storage. Default: the one to which new files go.
        adopts: Give files to the images that have reserved their names. Those are no
            orphans then.

    Raises:
        Exception: The storage's own, if it cannot be listed.
    """
    orphans = Orphans()
    try:
        for names in _old(orphans, storage.listing(errors, alias)):
            found = unknown(names)
            if adopts and found:
                adopted = adopt(found, errors)
                orphans.adopted += len(adopted)
                kept = adopted | reserved(found)
                found = [name for name in found if name not in kept]
            orphans.unknown.add(found)
    except BaseException:
        orphans.__exit__()
        raise
    return orphans


def unknown(names: list[str]) -> list[str]:
    """Return the names that no row has."""
    known = file_names.known(names)
    return [name for name in names if name not in known]


def adopt(names: list[str], errors: list[Exception] | None = None) -> set[str]:
    """Give files to the images that have reserved their names; return those files.

    Args:
        names: The files.
        errors: Gets what single files raise.
    """
    return {
        name
        for start in range(0, len(names), BATCH)
        for name in _adopt(names[start : start + BATCH], errors)
    }


def reserved(names: list[str]) -> set[str]:
    """Return the names that images without their bytes have reserved.

    Their runs may go on, or the storage may give the bytes another time.
    """
    keys = {storage.key_of(name): name for name in names}
    rows = models.GeneratedImage.objects.order_by().exclude(status__in=SETTLED)
    found = rows.filter(key__in=list(keys)).values_list("key", flat=True)
    return {keys[key] for key in found}


def _old(orphans: Orphans, listing: Iterator[tuple[str, float]]) -> Iterator[list[str]]:
    """Yield slices of the names of old files, and count all."""
    old: list[str] = []
    for name, age in listing:
        orphans.listed += 1
        if age > settings.SWEEP_GRACE_SECONDS:
            old.append(name)
            if len(old) == BATCH:
                yield old
                old = []
    if old:
        yield old


def _adopt(names: list[str], errors: list[Exception] | None) -> list[str]:
    rows = models.GeneratedImage.objects.order_by().filter(
        key__in=[storage.key_of(name) for name in names]
    )
    endings.recover_all(
        # A run may still be working on an unfinished image.
        rows.exclude(status__in=(Status.GENERATING, *SETTLED)),
        errors,
    )
    owned = set(
        models.GeneratedImage.objects.order_by()
        .filter(file__in=names)
        .values_list("file", flat=True)
    )
    return [name for name in names if name in owned]
