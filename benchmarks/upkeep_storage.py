"""A storage that lists the files of a million rows by a formula, and real objects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from django.core.files import File
from django.core.files.storage import Storage
from upkeep_rows import Made, image

OLD = 10**9


class Generated(Storage):
    """A storage that has whatever rows were made for, and one thing more."""

    gone: ClassVar[set[str]] = set()
    saved: ClassVar[dict[str, bytes]] = {}

    def listed(self) -> Iterator[tuple[str, float]]:
        """Yield name and age of every file, as ``storage.listing`` does."""
        for each in Made.now.names():
            if each not in self.gone:
                yield each, float(OLD)

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if name in self.saved:
            return File(BytesIO(self.saved[name]), name)
        if name in self.gone or name.endswith(".json") or not name.endswith(".png"):
            raise FileNotFoundError(name)
        return File(BytesIO(image()), name)

    def _save(self, name: str, content: Any) -> str:
        self.saved[name] = content.read()
        return name

    def exists(self, name: str) -> bool:
        """Whether somebody has saved it."""
        return name in self.saved

    def delete(self, name: str) -> None:
        """List it no more."""
        self.gone.add(name)
        self.saved.pop(name, None)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Refuse: the files are in no directories."""
        raise NotImplementedError


def listing(
    errors: list[Exception] | None = None, alias: str | None = None
) -> Iterator[tuple[str, float]]:
    """Do as ``storage.listing`` does, for the storage above."""
    yield from Generated().listed()


def sized_listing(
    errors: list[Exception] | None = None, alias: str | None = None
) -> Iterator[tuple[str, float, int | None]]:
    """Do as ``storage.sized_listing`` does, for the storage above."""
    size = len(image())
    return ((name, age, size) for name, age in Generated().listed())


def write_objects(made: Made, root: Path) -> None:
    """Write all files below a folder that an S3 server serves, long ago."""
    then = time.time() - 10**6
    for each in made.names():
        path = root / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image())
        os.utime(path, (then, then))


def forget() -> None:
    """Have no file deleted or saved, for rows that are made anew."""
    Generated.gone.clear()
    Generated.saved.clear()
