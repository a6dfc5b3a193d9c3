"""Deletion of many files of one storage, in few requests where that is possible."""

from __future__ import annotations

from collections.abc import Sequence

from . import backend, kept_parts, reading, s3, spool
from .names import checked
from .patience import Patience

# Files about which a storage is silent, one after the other, before the rest are left.
IN_A_ROW = 10
# S3 takes as many names in one request.
MOST = 1000


def delete_all(
    names: Sequence[str], alias: str | None, patience: Patience
) -> dict[str, Exception]:
    """Delete files, and return what was raised about those that may still be there.

    A file that is not there counts as deleted. If the storage is silent about
    ``IN_A_ROW`` files one after the other, the rest are not tried.

    Args:
        names: The files, names of the app's own.
        alias: The storage. Default: the one to which new files go.
        patience: Calls the storage.
    """
    stored = backend.get_storage(alias)
    if not s3.is_plain(stored):
        return _one_by_one(names, alias, patience)
    failed: dict[str, Exception] = {}
    for start in range(0, len(names), MOST):
        some = list(names[start : start + MOST])
        try:
            failed |= patience.call(s3.delete_all, stored, list(map(checked, some)))
        except TimeoutError as error:
            return failed | dict.fromkeys(names[start:], error)
        except Exception:
            # Not every server takes many names at once, and not every role may.
            failed |= _one_by_one(some, alias, patience)
            continue
        _forget(some)
    return failed


def _one_by_one(
    names: Sequence[str], alias: str | None, patience: Patience
) -> dict[str, Exception]:
    failed: dict[str, Exception] = {}
    silent = 0
    for number, name in enumerate(names):
        try:
            patience.call(reading.delete, name, alias)
            silent = 0
        except Exception as error:
            failed[name] = error
            silent = silent + 1 if isinstance(error, TimeoutError) else 0
            if silent == IN_A_ROW:
                return failed | dict.fromkeys(names[number:], error)
    _forget([name for name in names if name not in failed])
    return failed


def _forget(names: Sequence[str]) -> None:
    for name in names:
        spool.drop(name)
    kept_parts.forget(names)
