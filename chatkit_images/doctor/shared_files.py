"""Files that two rows name, or that a row names and a note is about to delete.

If one of the rows were deleted, the file of the other would go with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .. import models, storage
from ..queries import file_names
from ..transactions import atomic
from .drift import PAGE, Finding, Look
from .drift import said as said_of_row
from .files import in_batches, rows_of, said
from .inventory import Named

SHARED = "shared-files"


def find(look: Look) -> Iterator[Finding]:
    """Yield the rows that name a file of another row, and notes about files of rows."""
    for part in look.inventory.parts():
        for rows in part.named.values():
            if len(rows) > 1:
                yield from _of_rows(rows, look)
    for page in look.pages(models.DeletedFile.objects.all()):
        by_name = {note.name: note for note in page}
        for batch in in_batches(by_name, PAGE):
            for name in sorted(file_names.of_rows(batch)):
                note = by_name[name]
                if _is_named(note):
                    why = f"{name} is to be deleted, and a row names it"
                    mend = partial(_drop, note)
                    what = said_of_row(note)
                    yield Finding(SHARED, what, why, mend=mend, storages=())


def _of_rows(rows: list[Named], look: Look) -> Iterator[Finding]:
    """Yield all rows but the one that keeps the file."""
    first, *others = sorted(rows, key=_place)
    if not rows_of(first).exists():
        return
    for named in others:
        if rows_of(named).exists():
            why = f"{named.name} is of {said(first)}, too"
            mend = partial(_copy, named, first, look)
            size, where = named.bytes or 0, [named.alias]
            yield Finding(SHARED, said(named), why, size, mend, storages=where)


def _place(named: Named) -> tuple[bool, str, str, str]:
    """Return what sorts first the image that has reserved the name of the file."""
    key = storage.key_of(named.name)
    reserved = models.GeneratedImage.objects.filter(key=key, pk__in=_keys(named))
    return not reserved.exists(), named.model, named.pk, named.field


def _keys(named: Named) -> list[str]:
    is_image = named.model == "GeneratedImage" and named.field == "file"
    return [named.pk] if is_image else []


def _copy(named: Named, first: Named, look: Look) -> bool:
    """Give a row a file of its own, with the same bytes.

    If that is stopped before the row has the copy, no row names the copy.
    """
    if not (rows_of(named).exists() and rows_of(first).exists()):
        return True
    kind, extension = named.name.split("/")[-3], named.name.rpartition(".")[2]
    name = storage.new_name(kind, extension)
    data = look.ask(storage.read, named.name, named.alias)
    look.ask(storage.store, name, data, named.alias)
    with atomic():
        if not rows_of(named).update(**{named.field: name}):
            blob = storage.Blob(name, named.alias)
            models.DeletedFile.objects.schedule([blob])
    return True


def _is_named(note: models.DeletedFile) -> bool:
    where = file_names.in_storage(note.stored_in)
    return bool(file_names.of_rows([note.name], where))


@atomic()
def _drop(note: models.DeletedFile) -> bool:
    """Take a note away, as long as a row names its file."""
    if _is_named(note):
        models.DeletedFile.objects.filter(pk=note.pk).delete()
    return True
