"""Rows that name a storage which STORAGES does not have."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.db.models import Model

from ..deleted_files import file_columns
from ..models import DeletedFile
from ..queries import file_names
from ..transactions import atomic
from .drift import Finding, Look, said
from .files import is_there

STORAGES = "unknown-storages"


def find(look: Look) -> Iterator[Finding]:
    """Yield the rows whose storage is not in STORAGES."""
    known = ["", *django_settings.STORAGES]
    tables: list[type[Model]] = [*file_columns(), DeletedFile]
    for model in tables:
        rows = model._default_manager.exclude(storage_alias__in=known)
        for page in look.pages(rows):
            for row in page:
                alias = getattr(row, "storage_alias", "")
                size = getattr(row, "bytes", 0) or 0
                mend = partial(_mend, row, look)
                why = f"there is no {alias}"
                # Where its files are, if anywhere, is looked for by the mend.
                yield Finding(STORAGES, said(row), why, size, mend, storages=())


def _mend(row: Any, look: Look) -> bool:
    """Let a row name the storage that has all of its files, if one has.

    A note of a file that a row names goes: what is found is the file of that row, as a
    move has left the storage of which the note is.
    """
    is_note = isinstance(row, DeletedFile)
    names = [row.name] if is_note else [blob.name for blob in row.blobs()]
    for alias in file_names.aliases():
        if alias not in django_settings.STORAGES:
            continue
        if all(is_there(look, name, alias) for name in names):
            return look.is_ours(alias) and _write(row, alias)
    return False


@atomic()
def _write(row: Any, alias: str) -> bool:
    same = type(row)._default_manager.filter(pk=row.pk)
    same = same.filter(storage_alias=row.storage_alias)
    if isinstance(row, DeletedFile) and file_names.of_rows([row.name]):
        same.delete()
    else:
        same.update(storage_alias=alias)
    return True
