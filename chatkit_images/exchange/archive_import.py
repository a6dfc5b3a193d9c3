"""The lines of an archive, one after the other, each checked and each made once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.db import DataError, IntegrityError

from .. import models
from ..conf import settings
from ..context import RequestContext
from ..transactions import atomic
from . import format
from .arriving import Arrivals
from .format import LineRefused
from .imported import Imported, Refusal
from .reading import ArchiveRefused, Numbered, ReadArchive

# Items that are written in one transaction.
BATCH = 200
Progress = Callable[[int, int], None]


class ArchiveImport:
    """One import of an archive. Its arguments are those of ``import_archive()``."""

    def __init__(
        self,
        context: RequestContext,
        archive: ReadArchive,
        done: Imported,
        dry_run: bool,
    ) -> None:
        self.context, self.archive, self.done = context, archive, done
        self.dry_run = dry_run
        self.arrivals = Arrivals(context, dry_run=dry_run)
        self.head: dict[str, Any] = {}
        self._enter("", is_refused=True)

    def _enter(self, thread: str, *, is_refused: bool) -> None:
        """Begin with what stands behind the line of a thread."""
        self.thread, self.is_refused = thread, is_refused
        self.runs: set[uuid.UUID] = set()
        self.items: set[str] = set()
        self.batch: dict[str, tuple[int, models.ThreadItem]] = {}

    def run(self, progress: Progress | None) -> None:
        """Import all lines, then what the images were made from."""
        for line in self.archive.lines():
            self._line(line)
            if progress is not None:
                progress(line.stop, max(self.archive.size, line.stop))
        if not self.head:
            raise ArchiveRefused("The archive has no lines.")
        self._flush()
        if not self.dry_run:
            self._sources()

    def _line(self, line: Numbered) -> None:
        what = "line"
        try:
            if isinstance(line.value, LineRefused):
                raise line.value
            if line.number == 1:
                self._begin(line.value)
                return
            what = format.name_of(line.value)
            kind, fields = format.take(line.value)
            if kind != "item":
                self._flush()
            if kind == "item":
                self._item(line.number, fields)
            elif getattr(self, f"_{kind}")(fields):
                self.done.new[kind] += 1
            else:
                self.done.there[kind] += 1
        except LineRefused as error:
            if line.number == 1:
                raise ArchiveRefused(f"The first line is refused: {error}") from error
            self._refuse(line.number, what, str(error))
        except (DataError, IntegrityError) as error:
            self._refuse(line.number, what, f"The database refuses it: {error}")

    def _refuse(self, number: int, what: str, why: str) -> None:
        what = what.strip()[:200]
        refusal = Refusal(f"line {number}", what, why[:500])
        self.done.refuse(what.partition(" ")[0], refusal)

    def _begin(self, value: Any) -> None:
        """Look whether this version understands the lines."""
        said = value if isinstance(value, dict) else {}
        if said.get("line") != "export" or said.get("format") != format.FORMAT:
            raise LineRefused("it does not say that this is an export.")
        if said.get("version") != format.VERSION:
            version = str(said.get("version"))[:20]
            raise LineRefused(
                f"it is of version {version}, and this is version {format.VERSION}."
            )
        self.head = format.take(value)[1]

    def _export(self, fields: dict[str, Any]) -> bool:
        raise LineRefused("There is a second line of an export.")

    def _thread(self, fields: dict[str, Any]) -> bool:
        self._enter(fields["id"], is_refused=True)
        is_new = self.arrivals.thread(fields)
        self.is_refused = False
        return is_new

    def _check_thread(self, thread: str) -> None:
        if thread != self.thread:
            raise LineRefused("It does not stand behind the line of its thread.")
        if self.is_refused:
            raise LineRefused("Its thread is refused.")

    def _run(self, fields: dict[str, Any]) -> bool:
        self._check_thread(fields["thread"])
        key = fields["id"]
        is_new = self.arrivals.run(fields)
        self.runs.add(key)
        return is_new

    def _attachment(self, fields: dict[str, Any]) -> bool:
        if fields["thread"] is not None:
            self._check_thread(fields["thread"])
        if self.arrivals.has_attachment(fields["id"]):
            return False
        data = self._file(fields, settings.MAX_ATTACHMENT_BYTES)
        return self.arrivals.attachment(fields, data)

    def _file(self, fields: dict[str, Any], most: int) -> bytes | None:
        path = fields.pop("path")
        return None if path is None else self.archive.read(path, most)

    def _item(self, number: int, fields: dict[str, Any]) -> None:
        self._check_thread(fields["thread"])
        if fields["id"] in self.items:
            raise LineRefused("Its thread has an item of that id before it.")
        self.batch[fields["id"]] = number, self.arrivals.item_of(fields)
        self.items.add(fields["id"])
        if len(self.batch) == BATCH:
            self._flush()

    def _flush(self) -> None:
        """Write the items that wait."""
        batch, self.batch = self.batch, {}
        if not batch:
            return
        rows = models.ThreadItem.objects.filter(thread_id=self.thread)
        known = rows.filter(item_id__in=list(batch)).values_list("item_id", flat=True)
        there = set(known)
        self.done.there["item"] += len(there)
        new = {key: each for key, each in batch.items() if key not in there}
        if not self.dry_run:
            try:
                with atomic():
                    models.ThreadItem.objects.bulk_create(
                        row for _, row in new.values()
                    )
            except (DataError, IntegrityError):
                new = {key: each for key, each in new.items() if self._save(*each)}
        self.done.new["item"] += len(new)

    def _save(self, number: int, row: models.ThreadItem) -> bool:
        """Write one item of those of which the database refuses one."""
        try:
            with atomic():
                row.save(force_insert=True)
        except (DataError, IntegrityError) as error:
            self.items.discard(row.item_id)
            why = f"The database refuses it: {error}"
            self._refuse(number, f"item {row.item_id}", why)
            return False
        return True

    def _key_of(self, item: str) -> int:
        """Return the key of the row of an item."""
        rows = models.ThreadItem.objects.filter(thread_id=self.thread, item_id=item)
        key: int | None = rows.values_list("pk", flat=True).first()
        if key is None and not (self.dry_run and item in self.items):
            raise LineRefused(f"Its thread has no item {item[:100]!r}.")
        return key or 0

    def _image(self, fields: dict[str, Any]) -> bool:
        self._check_thread(fields["thread"])
        if self.arrivals.has_image(fields["id"]):
            return False
        if fields["item"] is not None:
            fields["item"] = self._key_of(fields["item"])
        if fields["run"] is not None and fields["run"] not in self.runs:
            raise LineRefused("Its thread has no such run.")
        fields.pop("sources", None)
        data = self._file(fields, settings.MAX_IMAGE_BYTES)
        return self.arrivals.image(fields, data)

    def _feedback(self, fields: dict[str, Any]) -> bool:
        self._check_thread(fields["thread"])
        person = fields["person"]
        if person == self.head["owner"]:
            person = self.context.person
        elif self.head["owner"] != self.context.owner:
            raise LineRefused("It is of another person, who may be somebody else here.")
        return self.arrivals.feedback(fields, self._key_of(fields["item"]), person)

    def _sources(self) -> None:
        """Note what images were made from, when all of them are there."""
        for line in self.archive.lines():
            if not isinstance(line.value, dict) or line.value.get("line") != "image":
                continue
            try:
                fields = format.take(line.value)[1]
            except LineRefused:
                continue  # It has been refused.
            if self.arrivals.sources(fields["id"], fields.get("sources", [])):
                self.done.new["sources"] += 1
