"""Which rows name files, and in which storage: one query for each column of files."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from .. import models, storage
from ..deleted_files import file_columns


def naming(names: Sequence[str], where: Q | None = None) -> list[QuerySet[Any, str]]:
    """Return one query for each column of files: which of the names it has.

    Each is answered by the index of its column, without a sort.

    Args:
        names: The files.
        where: Which rows, for example ``in_storage(alias)``. Default: all.
    """
    return [
        rows.filter(where or Q()).values_list(field, flat=True)
        for rows, field in _columns(names)
    ]


def in_storage(alias: str) -> Q:
    """Return the condition for rows whose files are in a storage.

    Args:
        alias: Its alias in ``STORAGES``.
    """
    rows = Q(storage_alias=alias)
    if alias == models.Installation.storage_of_before():
        rows |= Q(storage_alias="")
    return rows


def known(names: Sequence[str], where: Q | None = None) -> set[str]:
    """Return those of the names that rows have; the arguments are ``naming``'s."""
    if not names:
        return set()
    return {name for rows in naming(names, where) for name in rows}


def of_rows(names: Sequence[str], where: Q | None = None) -> set[str]:
    """Return those of the names that rows have, notes of deletions aside."""
    return {
        name
        for rows in naming(names, where)
        if rows.model is not models.DeletedFile
        for name in rows
    }


def are_old_in(alias: str, before: datetime.datetime) -> bool:
    """Whether rows that were made before a time name files in a storage."""
    return any(
        model._default_manager.filter(in_storage(alias), created_at__lt=before)
        .exclude(file="")
        .order_by()
        .exists()
        for model in file_columns()
    )


def aliases() -> list[str]:
    """Return the aliases of all storages that rows name, and of the one for new files.

    One short statement for each table; a table of a million rows is read once, by an
    index if there is one.
    """
    found = {storage.current_alias(), models.Installation.storage_of_before()}
    for model in file_columns() | {models.DeletedFile: []}:
        rows = model._default_manager.order_by()
        found.update(rows.values_list("storage_alias", flat=True).distinct())
    return sorted(found - {""})


def _columns(names: Sequence[str]) -> Iterable[tuple[QuerySet[Any], str]]:
    for model, fields in (file_columns() | {models.DeletedFile: ["name"]}).items():
        for field in fields:
            rows = model._default_manager.filter(**{f"{field}__in": list(names)})
            yield rows.order_by(), field
