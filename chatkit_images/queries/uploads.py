"""Rows of uploads: each counts before its bytes are stored, and then gets them."""

from __future__ import annotations

from chatkit.types import AttachmentCreateParams
from django.utils.translation import gettext as _

from .. import imaging, models
from ..cleaning import clean_mime, clean_name
from ..conf import Limits
from ..context import RequestContext
from ..exceptions import NotFoundError, RequestRefused
from ..transactions import atomic
from . import limits as limit_checks
from .uploaded_files import StoredFile


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
            row.kind = _kind(stored.mime)
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
