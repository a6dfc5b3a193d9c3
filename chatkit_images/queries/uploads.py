"""Rows of uploads: each counts before its bytes are stored, and then gets them."""

from __future__ import annotations

from chatkit.types import AttachmentCreateParams
from django.utils.translation import gettext as _

from .. import imaging, models
from ..cleaning import clean_mime, clean_name
from ..conf import Limits
from ..context import RequestContext
from ..exceptions import NotFoundError, RequestRefused
from ..querysets import OwnedQuerySet
from ..transactions import atomic
from . import attachments
from . import limits as limit_checks
from .brakes import check_block
from .uploaded_files import StoredFile


def announce(
    key: str,
    params: AttachmentCreateParams,
    context: RequestContext,
    limits: Limits,
    *,
    begun: bool = False,
    upload: str = "",
) -> models.Attachment:
    """Make the row of a file whose bytes will come later. Its bytes count from now.

    Args:
        key: The id of the attachment.
        params: What the client says of the file.
        context: Whose file it is.
        limits: What they may use.
        begun: Whether its bytes are here already, or go past the app.
        upload: The name to which its bytes go past the app, if they do.

    Raises:
        RequestRefused: If the owner has too many files or bytes, or, if its bytes are
            here, has sent too many files.
    """
    with atomic():
        if begun:
            limit_checks.count_upload(context, limits)
        limit_checks.check_files_waiting(context, limits)
        limit_checks.check_stored(context, limits, params.size)
        return models.Attachment.objects.create(
            pk=key,
            owner=context.owner,
            user_id=context.user_id,
            kind=_kind(params.mime_type),
            name=clean_name(params.name),
            mime_type=clean_mime(params.mime_type),
            bytes=params.size,
            awaits_upload=True,
            upload=upload,
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


def receive(
    key: str, stored: StoredFile, context: RequestContext, upload: str = ""
) -> models.Attachment:
    """Give stored bytes to the row of their file.

    Args:
        key: The id of the attachment.
        stored: Its bytes.
        context: Whose file it is.
        upload: Where a client has written the bytes; they are deleted there.

    Raises:
        NotFoundError: If the owner has no such file any more.
        RequestRefused: If its bytes came before. The new bytes are dropped.
    """
    try:
        with atomic():
            row = _row(key, context)
            if row.upload.name != upload:
                raise NotFoundError(f"The upload of {key} was given up")
            models.DeletedFile.objects.schedule(row.blobs("upload"))
            row.upload.name = ""
            row.kind = _kind(stored.mime)
            row.mime_type, row.awaits_upload = stored.mime, False
            row.file.name, row.thumbnail.name = stored.name, stored.thumbnail
            row.storage_alias = stored.alias
            row.bytes, row.sha256 = stored.size, stored.sha256
            row.width, row.height = stored.width, stored.height
            row.save()
    except (NotFoundError, RequestRefused):
        models.DeletedFile.objects.schedule(stored.blobs())
        raise
    return row


@atomic()
def begun(key: str, context: RequestContext) -> models.Attachment:
    """Return the row of a file, to look at the bytes that its client has written.

    Raises:
        NotFoundError: If the owner has announced no such file.
        RequestRefused: If the owner is blocked, or if the bytes of the file do not come
            past the app, or were refused.
    """
    check_block(context)
    row: models.Attachment = attachments.get(key, context)
    if row.awaits_upload and not row.upload:
        raise not_there()
    return row


@atomic()
def refuse(key: str, upload: str, context: RequestContext) -> None:
    """Delete what a client has written, which counts no more.

    The file stays without bytes, so that a message with it is refused.
    """
    rows = models.Attachment.objects.for_owner(context.owner)
    drop_upload(rows.filter(pk=key, upload=upload))


@atomic()
def drop_upload(rows: OwnedQuerySet[models.Attachment]) -> bool:
    """Delete what a client has written for one attachment, if the rows have it."""
    row: models.Attachment | None = rows.locked().one()
    if row is None:
        return False
    models.DeletedFile.objects.schedule(row.blobs("upload"))
    models.Attachment.objects.filter(pk=row.pk).update(upload="", bytes=0)
    return True


def not_there() -> RequestRefused:
    """Return the error for a file whose bytes have not come."""
    return RequestRefused(
        "not_uploaded", _("A file is not uploaded yet."), allow_retry=True
    )


def give_up(key: str, context: RequestContext) -> None:
    """Delete the row of a file whose bytes were not accepted; they count no more."""
    rows = models.Attachment.objects.for_owner(context.owner)
    rows.filter(pk=key, awaits_upload=True).delete()


def _kind(mime: str) -> models.Attachment.Kind:
    kinds = models.Attachment.Kind
    return kinds.IMAGE if mime in imaging.INLINE else kinds.FILE


def _row(key: str, context: RequestContext) -> models.Attachment:
    rows = models.Attachment.objects.for_owner(context.owner).locked()
    row: models.Attachment | None = rows.filter(pk=key).one()
    if row is None:
        raise NotFoundError(f"Attachment {key} not found")
    if not row.awaits_upload:
        raise RequestRefused("already_uploaded", _("This file is uploaded already."))
    return row
