"""Copies of files in storages that their rows have left, because of a move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import models, storage
from ..models.files import file_columns
from ..transactions import atomic
from .orphans import Names
from .troubles import Troubles

# Files that are deleted while their rows are locked.
AT_ONCE = 20


@atomic()
def delete(
    names: Sequence[str], alias: str, patience: storage.Patience, errors: Troubles
) -> int:
    """Delete copies, and return how many; the last copy of a file always stays.

    The rows are locked meanwhile, so that no move makes a copy the file of its row
    again. Files that are not in the storage that their row names are left for a person
    to look at.

    Args:
        names: The files, ``AT_ONCE`` at most.
        alias: The storage that rows have left.
        patience: Calls the storages.
        errors: Gets what the storages raise about single files.
    """
    elsewhere: dict[str, str] = {}
    model: Any
    for model, fields in file_columns().items():
        for field in fields:
            rows = model._default_manager.order_by("pk").select_for_update()
            for row in rows.filter(**{f"{field}__in": list(names)}):
                elsewhere[str(getattr(row, field).name)] = row.stored_in
    noted = models.DeletedFile.objects.filter(name__in=list(names))
    kept = set(noted.values_list("name", flat=True))
    deleted = 0
    for name, other in elsewhere.items():
        if other == alias or name in kept:
            continue
        try:
            if not patience.call(storage.get_storage(other).exists, name):
                raise FileNotFoundError(
                    f"{name} is not in {other!r}, as its row says, but in {alias!r}."
                )
            patience.call(storage.get_storage(alias).delete, name)
            deleted += 1
        except Exception as error:
            errors.append(error)
    return deleted


def delete_all(
    names: Names, alias: str, patience: storage.Patience, errors: Troubles
) -> int:
    """Delete all copies that were found, some at a time."""
    return sum(delete(page, alias, patience, errors) for page in names.pages(AT_ONCE))
