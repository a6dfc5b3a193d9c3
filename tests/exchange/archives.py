"""Archives to import: read, changed and written again."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from chatkit_images import exchange
from chatkit_images.context import RequestContext

LINES = "conversations.jsonl"


def exported(context: RequestContext, **options: Any) -> zipfile.ZipFile:
    out = io.BytesIO()
    exchange.export(context, out, **options)
    return zipfile.ZipFile(out)


def lines(archive: zipfile.ZipFile, name: str = LINES) -> list[Any]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


class Draft:
    """The content of an archive, to be changed before it is imported."""

    def __init__(self, context: RequestContext, **options: Any) -> None:
        archive = exported(context, **options)
        self.lines = lines(archive)
        self.files = {
            name: archive.read(name)
            for name in archive.namelist()
            if name.startswith(("images/", "attachments/"))
        }

    def line(self, kind: str, number: int = 0) -> Any:
        return self.all(kind)[number]

    def all(self, kind: str) -> list[Any]:
        lines = [each for each in self.lines if isinstance(each, dict)]
        return [each for each in lines if each["line"] == kind]

    def images(self) -> list[Any]:
        """The lines of the images that have a file, the oldest first."""
        found = [each for each in self.all("image") if each["path"]]
        return sorted(found, key=lambda each: each["created_at"])

    def write(self, path: Path) -> Path:
        text = b"".join(
            each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
            for each in self.lines
        )
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(LINES, text)
            for name, data in self.files.items():
                archive.writestr(name, data)
        return path
