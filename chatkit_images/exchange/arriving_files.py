"""Rows of images and attachments that an archive brings, with their bytes."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from asgiref.sync import async_to_sync

from .. import imaging, models, receiving
from ..cleaning import clean_name
from ..context import RequestContext
from ..exceptions import ImageError, RequestRefused
from ..queries import own_urls, uploaded_files
from ..querysets import GeneratedImageQuerySet
from ..transactions import atomic
from .format import LineRefused

Status = models.GeneratedImage.Status
Fields = dict[str, Any]


class FileArrivals:
    """Makes the rows of one owner that have files; see ``arriving.Arrivals``."""

    def __init__(self, context: RequestContext, *, dry_run: bool) -> None:
        self.context, self.dry_run = context, dry_run
        self._own = {"owner": context.owner, "user_id": context.user_id}

    def image(self, fields: Fields, data: bytes | None) -> bool:
        """Make an image.

        Args:
            fields: Those of its line, without its path and sources. ``item`` is the
                key of its row.
            data: Its bytes, ``None`` if it has none.
        """
        key, thread = fields.pop("id"), fields.pop("thread")
        status = fields.pop("status", Status.GENERATING)
        if status == Status.COMPLETED and data is None:
            raise LineRefused("The file of the image is not in the archive.")
        if status == Status.BLOCKED and data is not None:
            raise LineRefused("A blocked image has no file.")
        if status == Status.GENERATING:
            status = Status.INTERRUPTED
        run, item = fields.pop("run"), fields.pop("item")
        place = fields.get("identity")
        same = models.GeneratedImage.objects.filter(thread_id=thread, identity=place)
        if place is not None and same.exists():
            raise LineRefused("Another image of the thread has its place.")
        fields |= {"thread_id": thread, "run_id": run, "item_id": item}
        found = None if data is None else _examined(data, fields.get("sha256", ""))
        if not self.dry_run:
            self._save_image(key, fields | {"status": status}, found)
        return True

    def _save_image(
        self, key: uuid.UUID, columns: Fields, found: receiving.Examined | None
    ) -> None:
        row = models.GeneratedImage(pk=key, **columns)
        if found is None:
            with atomic():
                row.save(force_insert=True)
            return
        # Without a row nobody asks for the file; the sweep deletes that of a process
        # that was killed in between.
        stored = receiving.put(found, row.key)
        for name, value in stored.columns().items():
            setattr(row, name, value)
        row.thumbnail.name = stored.thumbnail
        if row.status == Status.COMPLETED:
            row.sha256 = stored.info.sha256
        try:
            with atomic():
                row.save(force_insert=True)
        except Exception:
            models.DeletedFile.objects.schedule(stored.blobs())
            raise

    def attachment(self, fields: Fields, data: bytes | None) -> bool:
        """Make an attachment, with its bytes if it has some."""
        key, thread = fields.pop("id"), fields.pop("thread")
        preview = fields.get("foreign_preview_url", "")
        if preview and not own_urls.is_foreign(preview):
            raise LineRefused("The preview of the attachment is at no other host.")
        fields["name"] = clean_name(fields.get("name", ""))
        row = models.Attachment(pk=key, thread_id=thread, **self._own, **fields)
        if data is not None:
            self._give_file(row, data)
        if not self.dry_run:
            try:
                with atomic():
                    row.save(force_insert=True)
            except Exception:
                models.DeletedFile.objects.schedule(row.blobs())
                raise
        return True

    def _give_file(self, row: models.Attachment, data: bytes) -> None:
        _check_digest(data, row.sha256)
        try:
            arrival = uploaded_files.take(data, only_look=self.dry_run)
        except RequestRefused as refused:
            raise LineRefused(refused.message) from None
        for write in arrival.writes:
            async_to_sync(write.done)()
        stored = arrival.stored
        row.storage_alias = stored.alias
        row.file.name, row.thumbnail.name = stored.name, stored.thumbnail
        row.mime_type, row.sha256, row.bytes = stored.mime, stored.sha256, stored.size
        row.width, row.height = stored.width, stored.height
        if stored.mime not in imaging.SHOWN:
            row.kind = models.Attachment.Kind.FILE

    def images(self) -> GeneratedImageQuerySet:
        """Return the images of the owner."""
        return models.GeneratedImage.objects.for_owner(self.context.owner)

    def has_image(self, key: uuid.UUID) -> bool:
        """Whether an image is there.

        Raises:
            LineRefused: If another owner has it.
        """
        return is_there(models.GeneratedImage, key, self.context.owner)

    def has_attachment(self, key: str) -> bool:
        """Whether an attachment is there.

        Raises:
            LineRefused: If another owner has it.
        """
        return is_there(models.Attachment, key, self.context.owner)


def is_there(model: Any, key: Any, owner: str) -> bool:
    """Whether an owner has the row of a key.

    Raises:
        LineRefused: If another owner has it.
    """
    rows = model.objects.filter(pk=key)
    found = list(rows.values_list(rows.owner_field, flat=True))
    if found and found[0] != owner:
        raise LineRefused("Its id is that of another owner's.")
    return bool(found)


def _check_digest(data: bytes, said: str) -> None:
    if said and hashlib.sha256(data).hexdigest() != said:
        raise LineRefused("The file has other bytes than its line says.")


def _examined(data: bytes, said: str) -> receiving.Examined:
    _check_digest(data, said)
    try:
        return receiving.examine(imaging.trim(data, keep=True))
    except ImageError as error:
        raise LineRefused(f"The image is refused ({error.code}): {error}") from None
