"""A zip with chosen images of many people, made while its reader takes it.

It has no more than one image in memory. What cannot be read is named in ``images.json``
with the reason, and the rest goes on.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
import uuid
from collections.abc import Collection, Iterator, Sequence
from io import TextIOWrapper
from typing import IO, Any

from django.utils import timezone
from django.utils.text import slugify

from .. import imaging, models
from ..cleaning import clean_cell, clean_json, clip
from ..visitors import is_visitor
from . import format, rows
from .archive import IN_MEMORY, PIECE, Archive
from .files import Files, Problem
from .values import TIME
from .window import Window

Facts = dict[str, Any]
# Rows that are read at once.
PAGE = 100
FACTS, PROMPTS, INCOMPLETE = "images.json", "prompts.csv", "INCOMPLETE.txt"
COLUMNS = (
    *("id", "path", "created_at", "owner", "thread", "status", "model", "size"),
    *("quality", "cost", "prompt", "revised_prompt"),
)
DECISION = ("action", "by", "reason", "words")


def zip_of(
    keys: Sequence[uuid.UUID], refused: Collection[uuid.UUID] = ()
) -> Iterator[bytes]:
    """Yield a zip with images, piece by piece. It blocks on the storage.

    Args:
        keys: Of whoever may see them: nothing is looked up but these rows.
        refused: Those of them that are only named.

    Raises:
        Exception: The database's own. The zip has no end then, and opens nowhere.
    """
    with _Zip() as made:
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            found = _rows(page)
            decided = _decisions(page)
            for key in page:
                if key in refused and key in found:
                    made.leave_out(key, "not_allowed")
                else:
                    made.add(key, found.get(key), decided.get(key, []))
                yield from made.window.take()
        made.close()
        yield from made.window.take()


def _rows(keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, models.GeneratedImage]:
    images = models.GeneratedImage.objects.filter(pk__in=keys).select_related("thread")
    return {row.pk: row for row in images.order_by()}


def _decisions(keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Facts]]:
    """Return what was decided on images, the oldest decision first."""
    found: dict[uuid.UUID, list[Facts]] = {}
    decisions = models.Decision.objects.filter(image_id__in=keys)
    for row in decisions.order_by("created_at", "pk"):
        said = {name: getattr(row, name) for name in DECISION}
        said["at"] = TIME.give(row.created_at)
        found.setdefault(row.image_id, []).append(said)
    return found


class _Zip:
    """Writes the entries of one zip."""

    def __init__(self) -> None:
        self.window = Window()
        self._archive = Archive(self.window)  # type: ignore[arg-type]
        self._problems: list[Problem] = []
        self._files = Files(self._problems.append)
        self._made = timezone.now()
        self._names: set[str] = set()
        self._count = self._lacking = 0
        self._facts: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed below
        self._prompts: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed below
        # Excel takes a text for UTF-8 if it begins with this mark.
        self._lines = TextIOWrapper(self._prompts, "utf-8-sig", newline="")
        self._csv = csv.writer(self._lines)
        self._csv.writerow(COLUMNS)

    def __enter__(self) -> _Zip:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.abandon()  # Without effect if it is whole.
        self._files.__exit__(*error)
        self._facts.close()
        self._lines.close()
        self.window.close()

    def add(
        self, key: uuid.UUID, row: models.GeneratedImage | None, decided: list[Facts]
    ) -> None:
        """Add an image and what is known of it."""
        if row is None:
            self.leave_out(key, "deleted")
            return
        facts = _facts_of(row) | {"decisions": decided}
        file = self._files.copy(row)
        problem = self._problems.pop() if self._problems else None
        if file is not None:
            with file:
                if problem is not None or not row.sha256:
                    facts["sha256"] = _digest(file)
                facts["path"] = f"images/{self._name(row)}"
                self._archive.add(facts["path"], file)
        elif problem is None:
            # A row without a file lacks none.
            facts["left_out"] = "deleted" if row.file else rows.left_out(row)
        if problem is None:
            self._tell(facts)
        else:
            self._tell(facts, problem.problem, problem.error)

    def leave_out(self, key: uuid.UUID, why: str) -> None:
        """Name an image of which nothing else is known."""
        name = models.GeneratedImage.ID_PREFIX + key.hex
        self._tell({"id": name, "path": None, "left_out": why})

    def _tell(self, facts: Facts, problem: str = "", error: str = "") -> None:
        """Note what is known of an image, and what its file lacks."""
        if problem:
            facts["problem"] = problem
            self._lacking += 1
        if error:
            facts["error"] = error
        begin = ",\n" if self._count else ""
        line = json.dumps(clean_json(facts), ensure_ascii=False)
        self._facts.write(f"{begin}{line}".encode(errors="replace"))
        cells = ["" if (v := facts.get(name)) is None else str(v) for name in COLUMNS]
        self._csv.writerow(map(clean_cell, cells))
        self._count += 1

    def _name(self, row: models.GeneratedImage) -> str:
        """Return a name that people can read, and that nothing else in the zip has."""
        words = slugify(row.prompt[:200], allow_unicode=True)[:60].strip("-_")
        extension = imaging.EXTENSIONS.get(row.mime, "bin")
        name = f"{words or 'image'}-{row.pk.hex[:8]}.{extension}"
        if name in self._names:
            name = f"{words or 'image'}-{row.pk.hex}.{extension}"
        self._names.add(name)
        return name

    def close(self) -> None:
        """Add what says of all the rest, and the directory."""
        head = {
            "format": "chatkit-images-zip",
            "version": 1,
            "created_at": TIME.give(self._made),
            "asked": self._count,
            "files": self._archive.files["images"],
            "complete": not self._lacking,
        }
        self._archive.add_text(FACTS, self._document(head))
        self._lines.flush()
        self._archive.add_text(PROMPTS, self._prompts)
        if self._lacking:
            words = f"{self._lacking} of {self._count} images are missing here, or are"
            text = f"{words} not what was stored. {FACTS} says which, and why.\n"
            self._archive.add_text(INCOMPLETE, text)
        self._archive.close()

    def _document(self, head: Facts) -> IO[bytes]:
        """Return the facts as one document of JSON."""
        self._facts.seek(0)
        whole: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - swapped below
        whole.write(json.dumps(head, indent=1)[:-2].encode() + b',\n "images": [\n')
        while part := self._facts.read(PIECE):
            whole.write(part)
        whole.write(b"\n ]\n}\n")
        self._facts.close()
        self._facts = whole
        return self._facts  # type: ignore[no-any-return]


def _facts_of(row: models.GeneratedImage) -> Facts:
    owner = row.thread.owner
    return {
        "id": row.image_id,
        "path": None,
        # A file is passed on, and the key of a visitor is a secret.
        "owner": clip(owner, 16) if is_visitor(owner) else owner,
        "thread": row.thread_id,
        "thread_title": row.thread.title,
        "run": str(row.run_id) if row.run_id else None,
        "ai_generated": True,
        "visibility": row.visibility,
        **format.columns_of("image", row, internal=True),
    }


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
