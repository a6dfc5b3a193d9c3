"""Rows of images without a thumbnail: who makes it, and which cannot have one."""

from __future__ import annotations

import datetime
from typing import Any, Literal, NamedTuple

from django.db import IntegrityError
from django.utils import timezone

from .. import models
from ..storage import Blob
from ..transactions import atomic

Row = models.GeneratedImage | models.Attachment
# Forms without a file. The first says that a process is at work, the other that there
# is none. The sweep deletes both after a week, so that it is tried again.
MAKING, IMPOSSIBLE = "thumbnail:making", "thumbnail:impossible"
FORMS = MAKING, IMPOSSIBLE
# After so long a process that was at work has died, or its storage was away.
STALE = datetime.timedelta(seconds=60)


class Wanted(NamedTuple):
    """An image without a thumbnail.

    Attributes:
        kind: The model of its row.
        pk: The key of its row.
        file: Its file.
    """

    kind: Literal["image", "attachment"]
    pk: str
    file: Blob


class Claim(NamedTuple):
    """What the rows say of an image for which a thumbnail is wanted.

    Attributes:
        is_ours: Whether the caller is to make the thumbnail.
        is_impossible: Whether there cannot be one.
        name: The name of its thumbnail, if it has one by now.
    """

    is_ours: bool = False
    is_impossible: bool = False
    name: str = ""


def wanted(row: Row) -> Wanted:
    """Return what is to be known of a row to make its thumbnail."""
    kind: Any = "image" if isinstance(row, models.GeneratedImage) else "attachment"
    return Wanted(kind, str(row.pk), Blob(str(row.file.name), row.stored_in))


def claim(image: Wanted) -> Claim:
    """Have the caller make a thumbnail, unless somebody else does, or has, or cannot.

    A claim of a process that died counts for a minute.
    """
    row = _rows(image).one()
    if row is None or _file(row) != image.file:
        return Claim()
    if row.thumbnail:
        return Claim(name=str(row.thumbnail.name))
    known = row.variants.filter(form__in=FORMS)
    now = timezone.now()
    for form, since in known.values_list("form", "created_at"):
        if form == IMPOSSIBLE:
            return Claim(is_impossible=True)
        late = known.filter(form=MAKING, created_at=since)
        taken = since <= now - STALE and late.update(created_at=now)
        return Claim(is_ours=bool(taken))
    try:
        with atomic():
            row.variants.create(form=MAKING)
    except IntegrityError:
        return Claim()  # Another process was faster.
    return Claim(is_ours=True)


@atomic()
def save(image: Wanted, name: str) -> bool:
    """Make a stored file the thumbnail of an image, and end the claim.

    Returns:
        Whether the image has it. If it has got another one, or another file, or is
        gone, the new file is deleted.
    """
    row = _rows(image, locked=True).one()
    if row is None or row.thumbnail or _file(row) != image.file:
        models.DeletedFile.objects.schedule([Blob(name, image.file.alias)])
        found = False
    else:
        _rows(image).update(thumbnail=name)
        found = True
    if row is not None:
        row.variants.filter(form=MAKING).delete()
    return found


@atomic()
def give_up(image: Wanted) -> None:
    """Note that there cannot be a thumbnail of an image."""
    row = _rows(image, locked=True).one()
    if row is not None and _file(row) == image.file:
        forms = row.variants.filter(form=MAKING)
        forms.update(form=IMPOSSIBLE, created_at=timezone.now())


def _rows(image: Wanted, *, locked: bool = False) -> Any:
    model = models.GeneratedImage if image.kind == "image" else models.Attachment
    rows = model.objects.locked() if locked else model.objects.all()
    return rows.filter(pk=image.pk)


def _file(row: Row) -> Blob:
    return Blob(str(row.file.name), row.stored_in)
