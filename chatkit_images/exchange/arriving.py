"""Rows of what an archive brings, made as the app makes them, each once.

What is there already stays as it is. So an import that was killed can be repeated.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from asgiref.sync import async_to_sync
from chatkit import types

from .. import imaging, models, notes, receiving
from ..cleaning import clean_name, map_strings
from ..context import RequestContext
from ..exceptions import ImageError, RequestRefused
from ..queries import data_urls, item_payloads, own_urls, uploaded_files
from ..querysets import GeneratedImageQuerySet
from ..transactions import atomic
from .format import LineRefused

Status = models.GeneratedImage.Status
Fields = dict[str, Any]


class Arrivals:
    """Makes the rows of one owner.

    Each method returns whether the row is new, and raises ``LineRefused`` if it cannot
    be. Fields are as ``format.take()`` returns them.

    Args:
        context: Whose rows they become.
        dry_run: Whether to check only.
    """

    def __init__(self, context: RequestContext, *, dry_run: bool) -> None:
        self.context, self.dry_run = context, dry_run
        self._own = {"owner": context.owner, "user_id": context.user_id}

    def thread(self, fields: Fields) -> bool:
        """Make a thread."""
        key = fields.pop("id")
        if _is_there(models.Thread, key, self.context.owner):
            return False
        if not self.dry_run:
            updated = fields.pop("updated_at", None)
            with atomic():
                row = models.Thread.objects.create(pk=key, **self._own, **fields)
                if updated is not None:
                    rows = models.Thread.objects.filter(pk=row.pk)
                    rows.update(updated_at=updated)
        return True

    def run(self, fields: Fields) -> bool:
        """Make a run, which has ended wherever it comes from."""
        key = fields.pop("id")
        if _is_there(models.Run, key, self.context.owner):
            return False
        if fields.get("status", "running") == models.Run.Status.RUNNING:
            fields["status"] = models.Run.Status.INTERRUPTED
        thread = fields.pop("thread")
        if not self.dry_run:
            row = models.Run(pk=key, thread_id=thread, **self._own, **fields)
            with atomic():
                row.save(force_insert=True)
        return True

    def item_of(self, fields: Fields) -> models.ThreadItem:
        """Return the row of an item, which is not saved."""
        payload, kind = fields["payload"], fields["type"]
        if not isinstance(payload, dict) or payload.get("type") != kind:
            raise LineRefused("The payload of the item is not of its type.")
        payload = map_strings(payload, lambda text: data_urls.DATA_IMAGE.sub("", text))
        payload = own_urls.refer(payload, self.context.owner, self.context.scope)
        row = models.ThreadItem(
            thread_id=fields["thread"],
            item_id=fields["id"],
            type=kind,
            payload=payload,
            created_at=fields["created_at"],
        )
        row.is_note = notes.is_note(self._checked(row))
        return row

    def _checked(self, row: models.ThreadItem) -> types.ThreadItem:
        try:
            found = item_payloads.to_item(row, self.context, {}, {}, {})
        except (AttributeError, KeyError, TypeError, ValueError):
            found = None
        if found is None:
            raise LineRefused(f"The installed ChatKit has no such {row.type[:64]!r}.")
        return found

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

    def feedback(self, fields: Fields, item: int, person: str) -> bool:
        """Make a thumb up or down of a person for an item, by the key of its row."""
        rows = models.Feedback.objects.filter(item_id=item, owner=person)
        if rows.exists():
            return False
        own = person == self.context.person
        updated = fields.pop("updated_at", None)
        if not self.dry_run:
            with atomic():
                models.Feedback.objects.create(
                    item_id=item,
                    thread_id=fields["thread"],
                    owner=person,
                    user_id=self.context.user_id if own else None,
                    kind=fields["kind"],
                    **{k: v for k, v in fields.items() if k == "created_at"},
                )
                if updated is not None:
                    rows.update(updated_at=updated)
        return True

    def sources(
        self, image: uuid.UUID, told: list[tuple[str, Any, str | None]]
    ) -> bool:
        """Note what an image was made from; an end that is not there is left open."""
        row = self.images().filter(pk=image).one()
        if row is None or not told or row.sources.exists():
            return False
        named = {key for _, key, _ in told if key is not None}
        keys = set(self.images().filter(pk__in=named).values_list("pk", flat=True))
        sent = {key for *_, key in told if key is not None}
        files = models.Attachment.objects.for_owner(self.context.owner)
        ids = set(files.filter(pk__in=sent).values_list("pk", flat=True))
        models.ImageSource.objects.bulk_create(
            models.ImageSource(
                image=row,
                role=role,
                source_image_id=key if key in keys else None,
                attachment_id=file if file in ids else None,
            )
            for role, key, file in told
        )
        return True

    def images(self) -> GeneratedImageQuerySet:
        """Return the images of the owner."""
        return models.GeneratedImage.objects.for_owner(self.context.owner)

    def has_image(self, key: uuid.UUID) -> bool:
        """Whether an image is there.

        Raises:
            LineRefused: If another owner has it.
        """
        return _is_there(models.GeneratedImage, key, self.context.owner)

    def has_attachment(self, key: str) -> bool:
        """Whether an attachment is there.

        Raises:
            LineRefused: If another owner has it.
        """
        return _is_there(models.Attachment, key, self.context.owner)


def _is_there(model: Any, key: Any, owner: str) -> bool:
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
