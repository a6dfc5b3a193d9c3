"""Which stored file a variant of a row is, and whether that stays so."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from django.utils.text import slugify

from .. import database, imaging, late_thumbnails
from ..models import Attachment, GeneratedImage, PartialImage
from ..queries import variants
from .files import ServedFile

PARTIAL = re.compile(r"partial-([0-9]{1,6})")
MIMES = {extension: mime for mime, extension in imaging.EXTENSIONS.items()}


class Shown(NamedTuple):
    """What a URL shows.

    Attributes:
        file: The file.
        is_final: Whether the URL never shows another one.
    """

    file: ServedFile
    is_final: bool


def of_image(image: GeneratedImage, variant: str) -> Shown:
    """Return the file of a variant of an image; that of the image stands in for it."""
    # An image that was cut off may still get its final.
    is_done = image.status == GeneratedImage.Status.COMPLETED
    if variant == "thumbnail":
        return Shown(in_small(image), is_done and bool(image.thumbnail))
    if variant == "model":
        # Without a file of its own, the form has the bytes of the image itself. Other
        # settings make another one.
        made = database.read(variants.of_image, image)
        if made is None or not made.file:
            return Shown(original(image), is_final=False)
        name, alias = str(made.file.name), made.stored_in
        file = ServedFile(name, alias, made.mime, made.created_at, made.bytes)
        return Shown(file, is_final=False)
    if match := PARTIAL.fullmatch(variant):
        preview = partial(image, int(match[1]))
        # If the preview is gone, the image itself has replaced it.
        return Shown(preview or original(image), is_final=False)
    return Shown(original(image), is_done)


def of_attachment(row: Attachment, variant: str) -> Shown:
    """Return the file of a variant of an attachment."""
    if variant != "thumbnail":
        return Shown(original(row), is_final=True)
    return Shown(in_small(row), bool(row.thumbnail))


def original(row: GeneratedImage | Attachment) -> ServedFile:
    """Return the file of a row."""
    mime = row.mime if isinstance(row, GeneratedImage) else row.mime_type
    name = str(row.file.name or "")
    size = None if row.bytes is None else int(row.bytes)
    return ServedFile(name, row.stored_in, mime, _modified(row), size, row.sha256)


def in_small(row: GeneratedImage | Attachment) -> ServedFile:
    """Return the thumbnail of a row, which is made now if it has none.

    Until it is made, and if it cannot be, the file of the row stands in. It blocks for
    two seconds at most. Work for the row's owner.
    """
    if (small := thumbnail(row)) is not None:
        return small
    made = late_thumbnails.ask(row)
    if made:
        row.thumbnail.name = made
        return in_small(row)
    return replace(original(row), is_stand_in=made is None)


def thumbnail(row: GeneratedImage | Attachment) -> ServedFile | None:
    """Return the thumbnail of a row, if it has one."""
    name = str(row.thumbnail.name or "")
    if not name:
        return None
    # The row has the type of its file only. The app makes the names, so the extension
    # tells the type of another one.
    mime = MIMES.get(name.rpartition(".")[2], "image/webp")
    return ServedFile(name, row.stored_in, mime, _modified(row))


def partial(image: GeneratedImage, index: int) -> ServedFile | None:
    """Return a partial image, if it is still there."""
    rows = image.partials.filter(index=index)
    row: PartialImage | None = database.read(rows.first)
    if row is None:
        return None
    name = str(row.file.name or "")
    return ServedFile(name, row.stored_in, row.mime, row.created_at, row.bytes)


def download_name(image: GeneratedImage, name: str) -> str:
    """Return what a browser calls the download of an image: its words.

    Args:
        image: The image.
        name: The name of its file in the storage.
    """
    stem = slugify(image.prompt)[:60].strip("-") or "image"
    return f"{stem}.{name.rpartition('.')[2]}"


def _modified(row: GeneratedImage | Attachment) -> datetime:
    if isinstance(row, GeneratedImage):
        return row.finished_at or row.created_at
    return row.created_at
