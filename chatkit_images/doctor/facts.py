"""What rows say of bytes that are others: size, type, measures, checksum.

Without ``deep`` only the files are read whose size is not what the row says, as far as
the storage tells sizes while it lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import QuerySet

from .. import imaging, models
from ..exceptions import ImageError
from ..transactions import atomic
from .drift import Finding, Look
from .drift import said as said_of_row
from .files import Row, in_batches
from .held import is_held

FACTS, CHANGED = "wrong-facts", "changed-bytes"
PAGE = 100
Columns = dict[str, Any]


def find(look: Look) -> Iterator[Finding]:
    """Yield the rows whose file has other bytes than they say."""
    for rows in _rows():
        pages = look.pages(rows) if look.deep else _other_sizes(rows, look)
        for page in pages:
            for row in page:
                yield from _compared(row, look)


def _rows() -> Iterator[QuerySet[Any]]:
    images = models.GeneratedImage.objects.exclude(file="")
    yield images.exclude(status=models.GeneratedImage.Status.GENERATING)
    yield models.PartialImage.objects.exclude(file="")
    yield models.Attachment.objects.exclude(file="")
    yield models.ImageVariant.objects.exclude(file="")


def _other_sizes(rows: QuerySet[Any], look: Look) -> Iterator[list[Row]]:
    """Yield the rows whose file has another size in the list of its storage."""
    wrong = (
        named.pk
        for part in look.inventory.parts()
        for key, file in part.listed.items()
        for named in part.named.get(key, ())
        if named.model == rows.model.__name__
        and None not in (file.size, named.bytes)
        and file.size != named.bytes
    )
    for batch in in_batches(wrong, PAGE):
        yield list(rows.filter(pk__in=batch).order_by("pk"))


def _compared(row: Row, look: Look) -> Iterator[Finding]:
    try:
        data = look.read(str(row.file.name), row.stored_in)
    except FileNotFoundError:
        return  # It is missing, which is another class.
    if data is None:
        return
    digest, size = hashlib.sha256(data).hexdigest(), len(data)
    expected = getattr(row, "sha256", "")
    right = _columns(row, data)
    if expected and expected != digest:
        mend = None
        if right is not None:
            mend = partial(_write, row, right | {"sha256": digest})
        why = "its checksum is another one"
        found = Finding(CHANGED, said_of_row(row), why, size, mend, storages=())
        yield from _if_same(row, found)
    elif right is None:
        # What people send may be a file of any kind.
        if not expected and not isinstance(row, models.Attachment):
            why = "its bytes are no image"
            found = Finding(CHANGED, said_of_row(row), why, size, storages=())
            yield from _if_same(row, found)
    elif wrong := _differences(row, right):
        said = [f"{name} {getattr(row, name)}, not {right[name]}" for name in wrong]
        mend, why = partial(_write, row, right), ", ".join(said)
        found = Finding(FACTS, said_of_row(row), why, size, mend, storages=())
        yield from _if_same(row, found)


def _columns(row: Row, data: bytes) -> Columns | None:
    """Return what bytes say, in columns of their row; ``None`` if they are no image."""
    if isinstance(row, models.Attachment) and row.kind == row.Kind.FILE:
        return {"bytes": len(data)}
    try:
        info = imaging.inspect(data, decode=False)
    except ImageError:
        return None
    mime = "mime_type" if isinstance(row, models.Attachment) else "mime"
    found: Columns = {mime: info.mime, "bytes": info.size}
    if info.width:  # An SVG has no pixels.
        found |= {"width": info.width, "height": info.height}
    return found


def _differences(row: Row, right: Columns) -> list[str]:
    """Return the columns that say something else. A row of before may say nothing."""
    return [
        name
        for name, value in right.items()
        if getattr(row, name) not in (None, "", value)
    ]


def _if_same(row: Row, finding: Finding) -> Iterator[Finding]:
    """Yield a finding unless the row has another file, or other facts, by now."""
    if _same(row).exists():
        yield finding


def _same(row: Row) -> QuerySet[Any]:
    said = {"file": row.file.name, "bytes": row.bytes}
    said |= {"storage_alias": row.storage_alias}
    if (sha256 := getattr(row, "sha256", None)) is not None:
        said["sha256"] = sha256
    return type(row)._default_manager.filter(pk=row.pk, **said)


@atomic()
def _write(row: Row, right: Columns) -> bool:
    """Let a row say what its bytes say, if it has the same file still."""
    # What is held keeps the checksum that tells of the change.
    if "sha256" in right and is_held(row):
        return False
    _same(row).update(**right)
    return True
