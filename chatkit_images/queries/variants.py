"""Rows of images in the form for models, each made once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

from django.db import connections, transaction
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q

from .. import imaging, models, storage
from ..querysets import OwnedQuerySet
from ..transactions import atomic

logger = logging.getLogger(__name__)
Rows = TypeVar("Rows", bound=OwnedQuerySet[Any])
Row = models.GeneratedImage | models.Attachment
# How the forms begin that are for models.
FOR_MODELS = "model:"
NOT_KEPT = "The form for models of %s is not kept"


class Made(NamedTuple):
    """The form for models of an image, as its row says.

    Attributes:
        name: Of its file; empty if the first bytes of the original have the form.
        mime: Its type.
        size: How many bytes it has.
        alias: The storage that has its file.
    """

    name: str
    mime: str
    size: int
    alias: str


@dataclass(frozen=True)
class Original:
    """A stored image of which models may get a form.

    Attributes:
        kind: The model of its row.
        pk: The key of its row.
        name: Of its file, which never changes.
        mime: The type of the file.
        size: The bytes of the file, if its row says so.
        made: The form of it for models, if it is known.
        alias: The storage that has the file.
    """

    kind: Literal["image", "attachment"]
    pk: str
    name: str
    mime: str
    size: int | None
    made: Made | None
    alias: str


def form() -> str:
    """Return what the rows of forms for models say, by the settings of now."""
    return f"{FOR_MODELS}{imaging.form()}"


def joined(rows: Rows) -> Rows:
    """Return images or attachments, each with its form for models.

    Each says whether a provider has refused it, too: see ``is_refused``.
    """
    ours = FilteredRelation("variants", condition=Q(variants__form=form()))
    kind = "image" if rows.model is models.GeneratedImage else "attachment"
    notes = models.RefusedInput.objects.filter(**{kind: OuterRef("pk")})
    found: Rows = rows.annotate(made=ours, refused=Exists(notes)).annotate(
        made_file=F("made__file"),
        made_alias=F("made__storage_alias"),
        made_mime=F("made__mime"),
        made_bytes=F("made__bytes"),
    )
    return found


def original(row: Row) -> Original:
    """Return what is known of a row's image; one statement unless it was ``joined``."""
    said = vars(row) if "made_bytes" in vars(row) else _look_up(row)
    made = None
    if said["made_bytes"] is not None:
        name = said["made_file"] or ""
        made = Made(name, said["made_mime"], said["made_bytes"], said["made_alias"])
    return _original(row, made)


def new_original(row: Row) -> Original:
    """Return what is known of a row whose image was stored a moment ago."""
    return _original(row, None)


def is_joined(row: Row) -> bool:
    """Whether ``original`` needs no statement for a row."""
    return "made_bytes" in vars(row)


def is_refused(row: Row) -> bool:
    """Whether some provider may have refused the file of a row."""
    return bool(vars(row).get("refused", True))


def of_image(image: models.GeneratedImage) -> models.ImageVariant | None:
    """Return an image's form for models, if there is one.

    It is the one by the settings of now; else the newest, which a process with other
    settings has made.
    """
    rows = image.variants.filter(form__startswith=FOR_MODELS).order_by("-pk")
    return min(rows, key=lambda row: row.form != form(), default=None)


def _original(row: Row, made: Made | None) -> Original:
    if isinstance(row, models.GeneratedImage):
        name, mime, size = str(row.file.name), row.mime, row.bytes
        return Original("image", str(row.pk), name, mime, size, made, row.storage_alias)
    if row.file:
        name, mime, size = str(row.file.name), row.mime_type, row.bytes
        return Original("attachment", row.pk, name, mime, size, made, row.storage_alias)
    # Of a file in another attachment store there is a thumbnail only.
    name, alias = str(row.thumbnail.name), row.storage_alias
    return Original("attachment", row.pk, name, "", None, made, alias)


def _look_up(row: Row) -> dict[str, Any]:
    columns = {"file": "file", "mime": "mime", "bytes": "bytes"}
    columns |= {"alias": "storage_alias"}
    rows = row.variants.filter(form=form()).values(*columns.values())
    found = rows.first() or dict.fromkeys(columns.values())
    return {f"made_{name}": found[column] for name, column in columns.items()}


def keep(original: Original, mime: str, size: int, data: bytes | None) -> None:
    """Keep the form for models of an image, in the background.

    If that fails, or too many bytes wait for the storage, the form is made again when
    it is needed again.

    Args:
        original: The image.
        mime: The type of the form.
        size: How many bytes it has.
        data: Its bytes; ``None`` if they are those at the beginning of the original.
    """
    begin = partial(keep_committed, original, mime, size, data)
    # Nobody else sees the image before the transaction of this code has ended.
    transaction.on_commit(begin, using=models.ImageVariant.objects.all().db)


def keep_committed(
    original: Original, mime: str, size: int, data: bytes | None
) -> None:
    """Do as ``keep`` does, for an image that everybody sees. It asks no database."""
    waiting = len(data or b"")
    if not storage.backlog.fits(waiting):
        return
    name = ""
    if data is not None:
        name = storage.new_name("variants", imaging.EXTENSIONS[mime])
    storage.backlog.take(waiting)
    made = Made(name, mime, size, storage.current_alias())
    storage.later(_keep, original, form(), made, data)


def _keep(original: Original, how: str, made: Made, data: bytes | None) -> None:
    size = None
    try:
        if data is not None:
            info = imaging.inspect(data, decode=False)
            size = info.width, info.height
            storage.patiently(storage.store, made.name, data, made.alias)
        _save(original, how, made, size)
    except Exception:
        # The sweep finds a file that has no row.
        logger.warning(NOT_KEPT, original.name, exc_info=True)
    finally:
        storage.backlog.give_back(len(data or b""))
        # No request begins or ends in this thread, so nothing else closes its
        # connections.
        connections.close_all()


@atomic()
def _save(
    original: Original, how: str, made: Made, size: tuple[int, int] | None
) -> None:
    """Make the row, unless the image has another file, or such a row, by now."""
    row = _locked(original)
    if row is None:
        models.DeletedFile.objects.schedule([storage.Blob(made.name, made.alias)])
        return
    lost = original.made.name if original.made else None
    # Those by other settings are for processes that have them, or for the sweep.
    known = row.variants.filter(form=how)
    if any(each.file.name != lost for each in known):
        models.DeletedFile.objects.schedule([storage.Blob(made.name, made.alias)])
        return
    known.delete()  # Its file was not there.
    width, height = size or (row.width, row.height)
    row.variants.create(
        form=how,
        storage_alias=made.alias,
        file=made.name,
        mime=made.mime,
        width=width,
        height=height,
        bytes=made.size,
    )


def _locked(original: Original) -> Row | None:
    """Return the row of an image, locked; ``None`` if it has another file by now."""
    found: Row | None
    if original.kind == "image":
        found = models.GeneratedImage.objects.locked().filter(pk=original.pk).one()
        names = {str(found.file.name)} if found else set()
    else:
        found = models.Attachment.objects.locked().filter(pk=original.pk).one()
        names = {str(found.file.name), str(found.thumbnail.name)} if found else set()
    return found if original.name in names else None
