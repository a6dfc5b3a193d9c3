"""Where files are, by their names alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import models, storage
from ..deleted_files import file_columns
from ..transactions import own_connection

# Names that one statement asks for.
BATCH = 500


def aliases_of(names: Sequence[str]) -> dict[str, str]:
    """Return the aliases of the storages that have files, by their names.

    Files that no row names are left out, unless an image has reserved the name.
    """
    found: dict[str, str] = {}
    with own_connection():
        for start in range(0, len(names), BATCH):
            found |= _aliases_of(names[start : start + BATCH])
    return found


def _aliases_of(names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, said in _said_of(names):
        found.setdefault(name, storage.whereabouts.alias_of(said))
    return found


def _said_of(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and what the rows say; of a deletion only what no row has."""
    for model, fields in file_columns().items():
        rows = model._default_manager.order_by()
        for field in fields:
            said = rows.filter(**{f"{field}__in": names})
            yield from said.values_list(field, "storage_alias")
    keys = {storage.key_of(name): name for name in names}
    reserved = models.GeneratedImage.objects.order_by().filter(key__in=keys)
    # Of an image that is whole, the name is no more than a name.
    reserved = reserved.exclude(status=models.GeneratedImage.Status.COMPLETED)
    for key, alias in reserved.values_list("key", "storage_alias"):
        yield keys[key], alias
    noted = models.DeletedFile.objects.order_by().filter(name__in=names)
    yield from noted.values_list("name", "storage_alias")
