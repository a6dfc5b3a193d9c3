"""The writer of an export: which lines, files and pages it has, in which order."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Self

from django.utils import timezone

from .. import __version__, imaging, models
from ..context import RequestContext
from ..queries.items import HIDDEN_TYPES
from . import file_names, format, frame, pages, rows
from .archive import IN_MEMORY, Archive, Lines
from .files import Files, Problem
from .readme import readme, said
from .survey import left_out, survey

Progress = Callable[[int, int], None]
# How many problems are kept in memory; all are in the archive.
MOST_PROBLEMS = 100


@dataclass
class Export:
    """What an export has taken.

    Attributes:
        counts: How many rows of each kind.
        files: How many images and attachments with their bytes.
        bytes: The bytes of these files.
        problems: The first files that are missing or not what their rows say.
        problem_count: How many there are.
    """

    counts: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    def count(self, kind: str) -> None:
        """Count a row."""
        self.counts[kind] = self.counts.get(kind, 0) + 1


class Writer:
    """Writes one archive. Its arguments are those of ``export()``."""

    def __init__(
        self,
        context: RequestContext,
        target: IO[bytes],
        internal: bool,
        progress: Progress | None,
    ) -> None:
        self.context, self.internal = context, internal
        self.made = timezone.now()
        self.done = Export()
        self._archive = Archive(target)
        self._lines, self._held, self._facts, self._errors = (
            Lines() for _number in range(4)
        )
        self._index: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed below
        self._files = Files(self._note)
        self._progress, self._steps, self._total = progress, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.abandon()  # Without effect if it is whole.
        self._files.__exit__(*error)
        for each in (self._lines, self._held, self._facts, self._errors, self._index):
            each.__exit__(*error)

    def write(self) -> Export:
        """Write the archive."""
        owner = self.context.owner
        if self._progress is not None:
            found = survey(self.context)
            self._total = found["threads"] + found["images"] + found["attachments"]
        self._lines.add(rows.of_export(owner, self._aware(), internal=self.internal))
        self._write(self._index, pages.index_head(self.made, [said()]))
        for thread in rows.in_time(models.Thread.objects.all(), owner=owner):
            self._thread(thread)
            self._step()
        unsent = models.Attachment.objects.for_owner(owner).filter(thread=None)
        for row in rows.by_key(unsent.filter(awaits_upload=False)):
            self._attachment(row)
        self._write(self._index, pages.index_foot())
        self._close()
        return self.done

    def _thread(self, thread: models.Thread) -> None:
        self._line("thread", rows.of_thread(thread, internal=self.internal))
        for run in rows.by_key(models.Run.objects.filter(thread=thread)):
            self._line("run", rows.of_run(run, internal=self.internal))
        sent = models.Attachment.objects.filter(thread=thread, owner=thread.owner)
        files = {row.pk: self._attachment(row) for row in rows.by_key(sent)}
        images, earlier, before = {}, [], self.done.counts.get("image", 0)
        for image in rows.images_of(thread):
            shown = self._image(image)
            images[image.pk.hex] = shown
            if image.superseded_at is not None and shown.path is not None:
                earlier.append(shown)
        number = self.done.counts["thread"]
        path = f"chats/{number:06}.html"
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as page:
            self._write(page, pages.chat_head(thread))
            items = self._items(thread, page, images, files)
            for part in pages.earlier(earlier):
                self._write(page, part)
            self._write(page, frame.foot())
            self._archive.add_text(path, page)
        self._held.move_to(self._lines)
        self._feedback(thread)
        drawn = self.done.counts.get("image", 0) - before
        self._write(self._index, pages.index_entry(path, thread, items, drawn))

    def _items(self, thread: models.Thread, page: Any, images: Any, files: Any) -> int:
        shown = 0
        for row in rows.items_of(thread, internal=self.internal):
            self._line("item", rows.of_item(row, internal=self.internal))
            if row.type not in HIDDEN_TYPES:
                self._write(page, pages.item(row, images, files))
                shown += 1
        return shown

    def _feedback(self, thread: models.Thread) -> None:
        feedback = models.Feedback.objects.filter(thread=thread).select_related("item")
        if not self.internal:
            feedback = feedback.filter(owner=self.context.person)
            feedback = feedback.exclude(item__type__in=HIDDEN_TYPES)
        for row in rows.by_key(feedback.defer("item__payload")):
            self._line("feedback", rows.of_feedback(row, internal=self.internal))

    def _image(self, row: models.GeneratedImage) -> pages.File:
        """Add an image, with its lines; those stand behind the items of its thread."""
        # Who moves a site takes along what staff keep from people, too.
        given = row.has_result if self.internal else row.is_shown
        data = self._files.read(row) if given else None
        path = None
        if data is not None:
            extension = imaging.EXTENSIONS.get(row.mime, "bin")
            path = f"images/{row.image_id}.{extension}"
            self._archive.add(path, data)
        self.done.count("image")
        self._held.add(rows.of_image(row, path, internal=self.internal))
        credentials = imaging.credentials_of(data) if data is not None else "none"
        self._facts.add(rows.facts_of(row, path, credentials))
        if given:
            self._step()
        return pages.of_image(row, path)

    def _attachment(self, row: models.Attachment) -> pages.File:
        # It may have gigabytes, if browsers send to the storage itself.
        file = self._files.copy(row)
        self.done.count("attachment")
        path = None
        if file is not None:
            number = self.done.counts["attachment"]
            path = f"attachments/{number:06}-{file_names.of(row)}"
            with file:
                self._archive.add(path, file)
        self._lines.add(rows.of_attachment(row, path, internal=self.internal))
        self._step()
        return pages.of_attachment(row, path)

    def _close(self) -> None:
        """Add what says of all the rest, and the directory of the archive."""
        add = self._archive.add_text
        self.done.files, self.done.bytes = self._archive.files, self._archive.bytes
        self.done.problem_count = self._errors.count
        sums = {
            format.LINES: add(format.LINES, self._lines.file),
            format.IMAGES: add(format.IMAGES, self._facts.file),
            format.ERRORS: add(format.ERRORS, self._errors.file),
            format.INDEX: add(format.INDEX, self._index),
        }
        manifest = {
            "format": format.FORMAT,
            "version": format.VERSION,
            "made_by": f"chatkit_images {__version__}",
            "created_at": self._aware().astimezone(datetime.UTC).isoformat(),
            "owner": self.context.owner,
            "internal": self.internal,
            "lines": self._lines.count,
            "counts": self.done.counts,
            "files": self.done.files,
            "bytes": self.done.bytes,
            "errors": self.done.problem_count,
            "left_out": left_out(self.context, internal=self.internal),
            "sha256": sums,
        }
        add(format.README, readme(manifest))
        add(format.MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        self._archive.close()

    def _aware(self) -> datetime.datetime:
        made = self.made
        return made if timezone.is_aware(made) else timezone.make_aware(made)

    def _line(self, kind: str, line: dict[str, Any]) -> None:
        self.done.count(kind)
        self._lines.add(line)

    def _note(self, problem: Problem) -> None:
        if len(self.done.problems) < MOST_PROBLEMS:
            self.done.problems.append(problem)
        self._errors.add(vars(problem))

    def _step(self) -> None:
        self._steps += 1
        if self._progress is not None:
            self._progress(self._steps, max(self._total, self._steps))

    def _write(self, file: Any, part: str) -> None:
        # What is no text in UTF-8, such as half of a character, is a question mark.
        file.write(part.encode(errors="replace"))
