"""Uploads: files are looked at and stored, then they get a row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from chatkit.types import AttachmentCreateParams
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from .. import imaging, models, storage
from ..cleaning import clean_mime, clean_name
from ..conf import Limits, settings
from ..context import RequestContext
from ..exceptions import ImageError, NotFoundError, RequestRefused
from ..transactions import atomic
from . import file_types
from . import limits as limit_checks


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file that has a name in the storage, and what its bytes say."""

    name: str
    mime: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    thumbnail: str = ""


@dataclass(frozen=True)
class Arrival:
    """An uploaded file that is being stored.

    Attributes:
        stored: The file as it will be stored.
        writes: The writes of the file and its thumbnail.
    """

    stored: StoredFile
    writes: tuple[storage.Upload, ...]


def take_file(file: UploadedFile[bytes]) -> Arrival:
    """Begin to store a file if its bytes have an accepted type; not for the event loop.

    Raises:
        RequestRefused: If its type is not accepted, or it is an image that is damaged,
            too complex, or larger than ``MAX_IMAGE_BYTES``, ``MAX_IMAGE_PIXELS`` or
            ``DECODE_MEMORY_BYTES``.
    """
    # One byte more tells a file that is longer than it was said to be.
    data = file.read(settings.MAX_ATTACHMENT_BYTES + 1)
    check_size(len(data))
    try:
        mime, _extension = imaging.sniff(data)
    except ImageError:
        return _store_document(data)
    if mime not in settings.ATTACHMENT_TYPES:
        raise file_types.refused(data)
    try:
        return _store_image(data)
    except ImageError as error:
        code = error.code
        if code == "too_many_pixels":
            text = _("The image has too many pixels.")
        elif code == "too_heavy":
            code = "too_many_pixels"
            text = _("The image has too many pixels for a file of its type.")
        elif code == "too_complex":
            text = _("The image file has too many parts.")
        elif code == "too_large":
            text = _("The file is too large.")
        elif _document_type(data) and not imaging.is_svg(data):
            # A text may begin as a GIF does.
            return _store_document(data)
        else:
            raise file_types.damaged(data) from error
        raise RequestRefused(code, text, status=413) from error


def check_size(size: int) -> None:
    """Refuse a file that is larger than ``MAX_ATTACHMENT_BYTES``, or empty."""
    if size > settings.MAX_ATTACHMENT_BYTES:
        raise RequestRefused("too_large", _("The file is too large."), status=413)
    if size <= 0:
        raise RequestRefused("empty_file", _("The file is empty."), status=400)


def announce(
    key: str,
    params: AttachmentCreateParams,
    context: RequestContext,
    limits: Limits,
    *,
    begun: bool = False,
) -> models.Attachment:
    """Make the row of a file whose bytes will come later. Its bytes count from now.

    Args:
        key: The id of the attachment.
        params: What the client says of the file.
        context: Whose file it is.
        limits: What they may use.
        begun: Whether its bytes are here already.

    Raises:
        RequestRefused: If the owner has too many files or bytes, or, if its bytes are
            here, has sent too many files.
    """
    is_image = params.mime_type in imaging.INLINE
    kind = models.Attachment.Kind.IMAGE if is_image else models.Attachment.Kind.FILE
    with atomic():
        if begun:
            limit_checks.count_upload(context, limits)
        limit_checks.check_files_waiting(context, limits)
        limit_checks.check_stored(context, limits, params.size)
        return models.Attachment.objects.create(
            pk=key,
            owner=context.owner,
            user_id=context.user_id,
            kind=kind,
            name=clean_name(params.name),
            mime_type=clean_mime(params.mime_type),
            bytes=params.size,
            awaits_upload=True,
        )


@atomic()
def begin(key: str, size: int, context: RequestContext, limits: Limits) -> None:
    """Check an announced file, and count its bytes, before they are stored.

    Raises:
        NotFoundError: If the owner has announced no such file.
        RequestRefused: If its bytes are there already, if what is more than was
            announced is too much, or if too many files were sent.
    """
    limit_checks.count_upload(context, limits)
    row = _row(key, context)
    more = size - (row.bytes or 0)
    if more > 0:
        limit_checks.check_stored(context, limits, more)
        row.bytes = size
        row.save(update_fields=["bytes"])


def receive(key: str, stored: StoredFile, context: RequestContext) -> models.Attachment:
    """Give stored bytes to the row of their file.

    Raises:
        NotFoundError: If the owner has no such file any more.
        RequestRefused: If its bytes came before. The new bytes are dropped.
    """
    try:
        with atomic():
            row = _row(key, context)
            is_image = stored.mime in imaging.INLINE
            row.kind = (
                models.Attachment.Kind.IMAGE
                if is_image
                else models.Attachment.Kind.FILE
            )
            row.mime_type, row.awaits_upload = stored.mime, False
            row.file.name, row.thumbnail.name = stored.name, stored.thumbnail
            row.bytes, row.sha256 = stored.size, stored.sha256
            row.width, row.height = stored.width, stored.height
            row.save()
    except (NotFoundError, RequestRefused):
        models.DeletedFile.objects.schedule([stored.name, stored.thumbnail])
        raise
    return row


def give_up(key: str, context: RequestContext) -> None:
    """Delete the row of a file whose bytes were not accepted; they count no more."""
    rows = models.Attachment.objects.for_owner(context.owner)
    rows.filter(pk=key, awaits_upload=True).delete()


def _row(key: str, context: RequestContext) -> models.Attachment:
    rows = models.Attachment.objects.for_owner(context.owner).locked()
    row: models.Attachment | None = rows.filter(pk=key).one()
    if row is None:
        raise NotFoundError(f"Attachment {key} not found")
    if not row.awaits_upload:
        raise RequestRefused("already_uploaded", _("This file is uploaded already."))
    return row


def cleaned(data: bytes) -> bytes:
    """Return an image as it is stored, by what ``STRIP_METADATA`` says.

    Bytes after its end are always cut off.

    Raises:
        ImageError: If its type is unknown or its container damaged.
    """
    if not settings.STRIP_METADATA:
        return imaging.trim(data)
    return imaging.strip(data, credentials=settings.STRIP_METADATA != "always")


def _store_image(data: bytes) -> Arrival:
    data = cleaned(data)
    info, preview = imaging.examine(data, settings.THUMBNAIL_SIDE)
    name = storage.new_name("attachments", info.extension)
    writes = [_write(name, data)]
    thumbnail = storage.new_name("thumbnails", "webp") if preview else ""
    if thumbnail:
        writes.append(_write(thumbnail, preview))
    # An SVG has no size of its own.
    size = (info.width or None, info.height or None)
    stored = StoredFile(name, info.mime, info.size, info.sha256, *size, thumbnail)
    return Arrival(stored, tuple(writes))


def _store_document(data: bytes) -> Arrival:
    mime = _document_type(data)
    if mime not in settings.ATTACHMENT_TYPES:
        raise file_types.refused(data)
    extension = "pdf" if mime == "application/pdf" else "txt"
    name = storage.new_name("attachments", extension)
    digest = hashlib.sha256(data).hexdigest()
    return Arrival(StoredFile(name, mime, len(data), digest), (_write(name, data),))


def _write(name: str, data: bytes) -> storage.Upload:
    # What waits for a storage that is slow waits on the disk.
    fits = storage.backlog.fits(len(data), "uploads")
    kept = not fits and storage.spooled(name, data)
    return storage.Upload(
        name, None if kept else data, lane="attachments", kind="uploads"
    )


def _document_type(data: bytes) -> str:
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    # Text that a browser would run is accepted, because it is served as a download.
    return "" if "\x00" in text else "text/plain"
