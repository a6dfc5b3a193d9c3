"""Rows of what an archive brings, made as the app makes them, each once.

What is there already stays as it is. So an import that was killed can be repeated.
"""

from __future__ import annotations

import uuid
from typing import Any

from chatkit import types

from .. import models, notes
from ..cleaning import map_strings
from ..queries import data_urls, item_payloads, own_urls
from ..transactions import atomic
from .arriving_files import Fields, FileArrivals, is_there
from .format import LineRefused


class Arrivals(FileArrivals):
    """Makes the rows of one owner.

    Each method returns whether the row is new, and raises ``LineRefused`` if it cannot
    be. Fields are as ``format.take()`` returns them.

    Args:
        context: Whose rows they become.
        dry_run: Whether to check only.
    """

    def thread(self, fields: Fields) -> bool:
        """Make a thread."""
        key = fields.pop("id")
        if is_there(models.Thread, key, self.context.owner):
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
        if is_there(models.Run, key, self.context.owner):
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
        """Note what an image was made from; an end that is not there is left open.

        So is one that is no older than the image: images that were made from each other
        would keep each other for ever.
        """
        row = self.images().filter(pk=image).one()
        if row is None or not told or row.sources.exists():
            return False
        named = {key for _, key, _ in told if key is not None}
        older = self.images().filter(pk__in=named, created_at__lt=row.created_at)
        keys = set(older.values_list("pk", flat=True))
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
