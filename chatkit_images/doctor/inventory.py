"""What rows and storages have of files, compared in parts that fit into memory.

A question for each name would take a request each; all names at once would take as much
memory as there are files. So both sides are written to files of a temporary directory,
parted by a digest of the name, and the parts are compared one after the other.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from django.conf import settings as django_settings
from django.db.models import Model

from .. import models, storage
from ..conf import settings
from ..deleted_files import file_columns

# Into how many parts the names are divided, and how many lines are kept in memory
# before they are written.
PARTS = 256
LINES = 20_000
PAGE = 2_000


class Named(NamedTuple):
    """A file as a row names it.

    Attributes:
        name: Its name.
        alias: Where it should be.
        model: The name of the row's model.
        pk: The row's key, as text.
        field: The column.
        bytes: How many the row says that it has, if it says so.
    """

    name: str
    alias: str
    model: str
    pk: str
    field: str
    bytes: int | None


class Listed(NamedTuple):
    """A file as a storage lists it.

    Attributes:
        name: Its name.
        alias: The storage.
        age: In seconds.
        size: Its bytes, if the storage tells them while it lists.
    """

    name: str
    alias: str
    age: float
    size: int | None


class Compared(NamedTuple):
    """A part of all names.

    Attributes:
        named: What rows name, by name and alias.
        listed: What storages have, by name and alias.
    """

    named: dict[tuple[str, str], list[Named]]
    listed: dict[tuple[str, str], Listed]


class Inventory:
    """All names of files: those in rows, and those in the storages.

    Args:
        fails: Is told of a storage that cannot be listed.
        count: Is told how many rows and files were looked at.

    Attributes:
        unlisted: The storages that have no list of their files.
        silent: Those that could not be asked for it.
    """

    def __init__(
        self, fails: Callable[[str, Exception], None], count: Callable[[int], None]
    ) -> None:
        self._fails, self._count = fails, count
        self._folder = TemporaryDirectory(prefix="chatkit_images_doctor")
        self.unlisted: set[str] = set()
        self.silent: set[str] = set()
        self._error: Exception | None = None
        self._rows = _Parts(Path(self._folder.name), "rows")
        self._files = _Parts(Path(self._folder.name), "files")

    def close(self) -> None:
        """Delete what was written."""
        self._folder.cleanup()

    def parts(self) -> Iterator[Compared]:
        """Yield all that is named and listed, part by part.

        Nothing is told of storages that could not be asked, or are not known.
        """
        told = set(self.aliases) - self.silent
        for number in range(PARTS):
            named: dict[tuple[str, str], list[Named]] = {}
            for line in self._rows.read(number):
                row = Named(*line)
                if row.alias in told:
                    named.setdefault((row.name, row.alias), []).append(row)
            listed = {}
            for line in self._files.read(number):
                file = Listed(*line)
                listed[file.name, file.alias] = file
            yield Compared(named, listed)

    @cached_property
    def aliases(self) -> list[str]:
        """The storages that rows name or new files go to, as far as they are known.

        Raises:
            Exception: What keeps the names from being written down, for example a full
                disk, whenever somebody asks. Half of them would tell nothing.
        """
        if self._error is not None:
            raise self._error
        try:
            self._write()
        except Exception as error:
            self._error = error
            raise
        return sorted(self._seen & set(django_settings.STORAGES))

    def _write(self) -> None:
        """Write all names down."""
        before = models.Installation.storage_of_before()
        self._seen = {before, storage.current_alias()}
        # The rows come first: a file that is stored meanwhile is young, and a file that
        # is deleted meanwhile has no row when it is looked at again.
        for model, fields in file_columns().items():
            self._write_rows(model, fields, before)
        self._rows.flush()
        for alias in sorted(self._seen & set(django_settings.STORAGES)):
            try:
                self._write_files(alias)
            except NotImplementedError:
                # It cannot list. What rows name can be asked for, one by one.
                self.unlisted.add(alias)
            except Exception as error:
                self.silent.add(alias)
                self._fails(f"storage {alias}", error)
        self._files.flush()

    def _write_rows(self, model: type[Model], fields: list[str], before: str) -> None:
        manager = model._default_manager
        has_bytes = any(each.name == "bytes" for each in model._meta.fields)
        columns = ["pk", "storage_alias", *fields, *(["bytes"] if has_bytes else [])]
        rows = manager.order_by("pk").values_list(*columns)
        page = list(rows[:PAGE])
        while page:
            for pk, alias, *values in page:
                size = values[-1] if has_bytes else None
                where = alias or before
                self._seen.add(where)
                for field, name in zip(fields, values, strict=False):
                    if name:
                        said = size if field == "file" else None
                        key = model.__name__, str(pk), field
                        self._rows.add(Named(name, where, *key, said))
            self._count(len(page))
            page = list(rows.filter(pk__gt=page[-1][0])[:PAGE])

    def _write_files(self, alias: str) -> None:
        errors: list[Exception] = []
        # What is encrypted has another size than its row says.
        tells = settings.FILE_CIPHER is None
        listing = storage.sized_listing(errors, alias)
        for number, (name, age, size) in enumerate(listing, 1):
            self._files.add(Listed(name, alias, age, size if tells else None))
            if number % PAGE == 0:
                self._count(PAGE)
        for error in errors:
            self._fails(f"a file of storage {alias}", error)


class _Parts:
    """Lines in files, by a digest of the name with which each begins."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._lines: dict[int, list[str]] = {}
        self._waiting = 0

    def add(self, line: Named | Listed) -> None:
        """Write a line, which may wait in memory."""
        number = zlib.crc32(line.name.encode("utf-8", "surrogatepass")) % PARTS
        self._lines.setdefault(number, []).append(json.dumps(line))
        self._waiting += 1
        if self._waiting == LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for number, lines in self._lines.items():
            with self._path(number).open("a", encoding="ascii") as file:
                file.writelines(f"{line}\n" for line in lines)
        self._lines, self._waiting = {}, 0

    def read(self, number: int) -> Iterator[list[Any]]:
        """Yield the lines of a part."""
        path = self._path(number)
        if path.exists():
            with path.open(encoding="ascii") as file:
                yield from map(json.loads, file)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._kind}-{number}"
