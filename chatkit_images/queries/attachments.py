"""Rows of attachments."""

from __future__ import annotations

from collections.abc import Collection

from chatkit import types
from django.utils.translation import gettext as _

from .. import file_urls, models, storage
from ..cleaning import clean, clean_json, clean_mime, clean_name
from ..context import RequestContext
from ..contexts import may_delete
from ..exceptions import NotFoundError, RequestRefused
from ..querysets import OwnedQuerySet
from ..transactions import atomic
from . import holds, in_pages, own_urls, use, variants


def get(attachment_id: str, context: RequestContext) -> models.Attachment:
    """Return the row of an owner's attachment.

    Raises:
        NotFoundError: If the owner has no such attachment.
    """
    try:
        return models.Attachment.objects.for_owner(context.owner).get(
            pk=clean(attachment_id)
        )
    except models.Attachment.DoesNotExist:
        raise NotFoundError(f"Attachment {attachment_id} not found") from None


def of_owner(
    ids: Collection[str], context: RequestContext, *, for_model: bool = False
) -> list[models.Attachment]:
    """Return the rows of those attachments that the owner has.

    Args:
        ids: Which.
        context: Whose they must be.
        for_model: Whether each comes with its form for models.
    """
    if not ids:
        return []
    rows = models.Attachment.objects.for_owner(context.owner).filter(pk__in=ids)
    return list(variants.joined(rows) if for_model else rows)


def preview_url(row: models.Attachment, context: RequestContext) -> str:
    """Return the URL of an attachment's image for the context's browser."""
    return row.foreign_preview_url or file_urls.attachment_url(row, context)


def to_attachment(row: models.Attachment, context: RequestContext) -> types.Attachment:
    """Return a row as ChatKit's type, with URLs for the context's browser."""
    fields = {
        "id": row.pk,
        # A row of before has the name as it came.
        "name": clean_name(row.name),
        "mime_type": row.mime_type,
        "thread_id": row.thread_id,
        "metadata": row.metadata,
    }
    # Where a client writes past the app, it learns when it announces the file.
    if row.awaits_upload and not row.upload:
        fields["upload_descriptor"] = {
            "url": file_urls.upload_url(row, context),
            "method": "POST",
        }
    if row.kind == models.Attachment.Kind.FILE:
        return types.FileAttachment.model_validate(fields)
    return types.ImageAttachment.model_validate(
        fields | {"preview_url": preview_url(row, context)}
    )


def save(
    attachment: types.Attachment, context: RequestContext, thumbnail: str = ""
) -> None:
    """Insert an attachment, or update its metadata.

    Args:
        attachment: The attachment. Only another attachment store sends a preview with
            it; a URL is kept.
        context: Who asked.
        thumbnail: Name of the file of a preview that came as a ``data:`` image. If the
            attachment is refused, the file is deleted.

    Raises:
        NotFoundError: If it, or its thread, is another owner's.
        RequestRefused: If it belongs to another thread already.
    """
    try:
        _save(attachment, context, thumbnail)
    except (NotFoundError, RequestRefused):
        alias = storage.current_alias()
        models.DeletedFile.objects.schedule([storage.Blob(thumbnail, alias)])
        raise


@atomic()
def _save(
    attachment: types.Attachment, context: RequestContext, thumbnail: str
) -> None:
    preview = str(getattr(attachment, "preview_url", ""))
    row = models.Attachment.objects.locked().filter(pk=attachment.id).first()
    if row is None:
        row = models.Attachment(
            pk=attachment.id, owner=context.owner, user_id=context.user_id
        )
    elif row.owner != context.owner:
        raise NotFoundError(f"Attachment {attachment.id} not found")
    if attachment.thread_id is not None:
        _attach(row, attachment.thread_id, context)
    row.kind = attachment.type
    row.name = clean_name(attachment.name)
    row.mime_type = clean_mime(attachment.mime_type)
    row.metadata = clean_json(attachment.metadata)
    alias = storage.current_alias()
    if thumbnail and row.file and row.stored_in != alias:
        # All files of a row are in one storage; its own preview stays.
        models.DeletedFile.objects.schedule([storage.Blob(thumbnail, alias)])
    elif thumbnail:
        if row.thumbnail:
            models.DeletedFile.objects.schedule(row.blobs("thumbnail"))
            row.variants.all().delete()
        row.thumbnail.name, row.storage_alias = thumbnail, alias
    elif _is_foreign(preview) and not row.file:
        row.foreign_preview_url = preview if len(preview) <= 2000 else ""
    row.save()


def _is_foreign(preview: str) -> bool:
    """Whether a preview is a URL of somebody else's."""
    is_inline = preview[:5].lower() == "data:"
    return bool(preview) and not is_inline and not own_urls.is_ours(preview)


@atomic()
def delete(attachment_id: str, context: RequestContext) -> None:
    """Delete an attachment, if the owner has it. Its files go after the commit.

    Raises:
        RequestRefused: If the person may not delete it, or if it is held.
    """
    use.hold(context.owner)
    row = deletable(attachment_id, context)
    if row is not None:
        row.delete()


def delete_unsent(rows: OwnedQuerySet[models.Attachment]) -> int:
    """Delete files that are in no thread and not held; return how many they were.

    One that a message takes meanwhile stays.
    """
    count = 0
    rows = rows.filter(thread=None).exclude(holds.holding("thread_id"))
    for keys in in_pages.keys_of(rows):
        page = models.Attachment.objects.filter(pk__in=keys).order_by("owner")
        for owner in page.values_list("owner", flat=True).distinct():
            with atomic():
                use.hold(owner)
                same = rows.for_owner(owner).filter(pk__in=keys).order_by("pk")
                # Whoever puts a file into a thread has locked its row.
                still = list(same.locked().values_list("pk", flat=True))
                gone = models.Attachment.objects.filter(pk__in=still).delete()
            count += gone[1].get(models.Attachment._meta.label, 0)
    return count


def deletable(attachment_id: str, context: RequestContext) -> models.Attachment | None:
    """Return the row of an attachment to delete, ``None`` if the owner has none.

    Raises:
        RequestRefused: If the person may not delete it, or if it is held.
    """
    rows = models.Attachment.objects.for_owner(context.owner)
    row = rows.filter(pk=clean(attachment_id)).first()
    if row is not None and not may_delete(context, row):
        raise RequestRefused(
            "not_allowed", _("You may not delete this file."), status=403
        )
    if row is not None:
        holds.check_attachment(row)
    return row


def _attach(row: models.Attachment, thread_id: str, context: RequestContext) -> None:
    if row.thread_id not in (None, thread_id):
        raise RequestRefused(
            "attachment_in_use", f"Attachment {row.pk} belongs to another thread."
        )
    owned = models.Thread.objects.for_owner(context.owner)
    if not owned.filter(pk=thread_id).exists():
        raise NotFoundError(f"Thread {thread_id} not found")
    row.thread_id = thread_id
