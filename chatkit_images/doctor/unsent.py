"""Files that people have never sent, and uploads that nobody has looked at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .. import models
from ..queries import uploads, use
from ..querysets import OwnedQuerySet
from ..transactions import atomic
from .drift import Finding, Look, long_ago, said
from .files import storages_of
from .held import is_held

ATTACHMENTS, UPLOADS = "unsent-attachments", "unfinished-uploads"
Rows = OwnedQuerySet[models.Attachment]


def find_attachments(look: Look) -> Iterator[Finding]:
    """Yield the attachments that are in no message, a day after they were made."""
    for page in look.pages(_unsent().prefetch_related("variants")):
        for row in page:
            why = f"in no message since {row.created_at.isoformat()}"
            size, mend = row.bytes or 0, partial(_delete, row)
            where = storages_of(row)
            yield Finding(ATTACHMENTS, said(row), why, size, mend, storages=where)


def find_uploads(look: Look) -> Iterator[Finding]:
    """Yield the files of sent messages of which only the client's upload is there."""
    for page in look.pages(_written()):
        for row in page:
            why = f"{row.upload.name} was never looked at"
            size, mend = row.bytes or 0, partial(_give_up, row)
            where = [row.stored_in]
            yield Finding(UPLOADS, said(row), why, size, mend, storages=where)


def _unsent() -> Rows:
    return models.Attachment.objects.filter(thread=None, created_at__lt=long_ago())


def _written() -> Rows:
    # What is unsent as well is deleted with its row.
    sent = models.Attachment.objects.exclude(thread=None)
    return sent.filter(upload__gt="", created_at__lt=long_ago())


@atomic()
def _delete(row: models.Attachment) -> bool:
    # Whoever places a hold waits for it.
    use.hold(row.owner)
    if is_held(row):
        return False
    found = _unsent().locked().filter(pk=row.pk).one()
    if found is not None:
        found.delete()
    return True


@atomic()
def _give_up(row: models.Attachment) -> bool:
    if is_held(row):
        return False
    uploads.drop_upload(_written().filter(pk=row.pk))
    return True
