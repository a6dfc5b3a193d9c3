"""Files that rows name: the rows, read again, and where the files are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from django.apps import apps
from django.db.models import QuerySet

from .. import models, storage
from .drift import Look
from .inventory import Named

T = TypeVar("T")
Row = (
    models.Attachment
    | models.GeneratedImage
    | models.ImageVariant
    | models.PartialImage
)


def rows_of(named: Named) -> QuerySet[Any]:
    """Return the row that named a file, if it still names it in that storage."""
    model: Any = apps.get_model("chatkit_images", named.model)
    before = models.Installation.storage_of_before()
    aliases = [named.alias, *([""] if named.alias == before else [])]
    found: QuerySet[Any] = model.objects.filter(
        pk=named.pk, storage_alias__in=aliases, **{named.field: named.name}
    )
    return found


def said(named: Named) -> str:
    """Return what a report calls the column of a row."""
    return f"{named.model} {named.pk} {named.field}"


def storages_of(row: Row) -> Collection[str]:
    """Return the storages that have files of a row, or of rows that go with it."""
    rows: list[Any] = [row]
    if isinstance(row, models.GeneratedImage | models.Attachment):
        rows += row.variants.all()
    if isinstance(row, models.GeneratedImage):
        rows += row.partials.all()
    return {each.stored_in for each in rows}


def is_there(look: Look, name: str, alias: str) -> bool:
    """Whether a storage, or the spool of this host, has a file.

    Raises:
        Exception: The storage's own.
    """
    return storage.is_named(name) and look.ask(storage.exists, name, alias)


def in_batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield values, so many at a time."""
    batch: list[T] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
