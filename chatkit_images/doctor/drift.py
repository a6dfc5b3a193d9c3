"""What the classes of drift have in common: findings, and a look at rows and files."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ParamSpec, Self, TypeVar

from django.conf import settings as django_settings
from django.db import Error
from django.db.models import Model, QuerySet
from django.utils import timezone

from .. import storage
from ..conf import settings
from ..maintenance import NotOurFiles, guard
from .inventory import Inventory

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)
T = TypeVar("T")
P = ParamSpec("P")
# How many rows are read by one statement.
PAGE = 500
# A storage that is silent about so many files, one after the other, would be so for
# days about all.
IN_A_ROW = 10
# So many errors of one class are told; then the rest of it is not looked at.
MOST_TROUBLES = 200


class MendRefused(Exception):
    """So much would be given up that this is probably the wrong storage."""


class GivenUp(Exception):
    """The rest of a class is not looked at: the storage does not answer."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        drift: Its class.
        what: The row, by its model and key, or the name of the file.
        why: What is wrong with it, in a few words.
        bytes: How many bytes it is about, as far as that is known.
        mend: Looks once more, under lock, and mends it if it is still so. Returns
            whether nothing is left to do. ``None`` if only a person can mend it.
        storages: The storages whose files the mend writes, moves or deletes, also by a
            row that it deletes. It is not begun unless all of them are this database's.
    """

    drift: str
    what: str
    why: str = ""
    bytes: int = 0
    mend: Callable[[], bool] | None = None
    storages: Collection[str] = field(kw_only=True)


@dataclass(frozen=True)
class Drift:
    """A class of drift.

    Attributes:
        name: What the command calls it.
        find: Yields what there is of it. Classes with the same function are found in
            one pass, each of whose findings says of which it is.
        is_chosen: Whether it is mended only if it is named, and not by ``all``.
    """

    name: str
    find: Callable[[Look], Iterator[Finding]]
    is_chosen: bool = False


@dataclass(frozen=True)
class Trouble:
    """What could not be looked at, or not be mended.

    Attributes:
        drift: The class that was looked for.
        what: A row, a file or a storage.
        error: What was raised.
    """

    drift: str
    what: str
    error: Exception


def silent(done: int) -> None:
    """Show no progress."""


@dataclass
class Look:
    """One examination, while it goes on. Use it as a context manager.

    Attributes:
        deep: Whether the bytes of files are read.
        force: Whether files are given up even if they are most of all files.
        drift: The class that is being looked for.
        after: The last row that was looked at, of classes that are found in rows;
            empty at their beginning.
        troubles: What could not be looked at.
        progress: Is called with the number of rows and files that were looked at.
    """

    deep: bool = False
    force: bool = False
    drift: str = ""
    after: str = ""
    troubles: list[Trouble] = field(default_factory=list)
    progress: Callable[[int], None] = silent
    done: int = 0

    def __post_init__(self) -> None:
        self._ours: dict[str, NotOurFiles | None] = {}
        self._refused: set[tuple[str, str]] = set()
        self._in_a_row = 0

    def __enter__(self) -> Self:
        self.patience = storage.Patience()
        self.patience.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.patience.__exit__(*error)
        if "inventory" in vars(self):
            self.inventory.close()

    @cached_property
    def inventory(self) -> Inventory:
        """What rows and storages have of files, compared once for several classes."""
        return Inventory(self.fails, self.count)

    def count(self, more: int) -> None:
        """Count rows or files that were looked at."""
        self.done += more
        self.progress(self.done)

    def fails(self, what: str, error: Exception) -> None:
        """Note what could not be looked at.

        Raises:
            Error: If the database has raised it; then nothing else can be looked at.
            GivenUp: If that is so, or if this is one error too many of a class.
        """
        if isinstance(error, (Error, GivenUp)):
            raise error
        logger.warning("The doctor fails at %s: %r", what, error)
        self.troubles.append(Trouble(self.drift, what, error))
        told = [each for each in self.troubles if each.drift == self.drift]
        if len(told) >= MOST_TROUBLES:
            raise GivenUp("There are too many errors, the rest is not looked at.")

    def refuse(self, what: str, error: Exception) -> None:
        """Note, once for each class, why nothing of a storage or so is mended."""
        if (key := (self.drift, what)) not in self._refused:
            self._refused.add(key)
            self.fails(what, error)

    def is_ours(self, alias: str) -> bool:
        """Whether the files of a storage are this database's, as its marker says.

        If they are not, that is noted, once for each class.
        """
        if alias not in self._ours:
            try:
                guard(alias, force=self.force)
                self._ours[alias] = None
            except NotOurFiles as error:
                self._ours[alias] = error
        if (why := self._ours[alias]) is not None:
            self.refuse(f"storage {alias}", why)
        return why is None

    def ask(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function of the storage returns, in time.

        Raises:
            GivenUp: If the storage is silent about one file after the other.
            Exception: The function's own.
        """
        try:
            result = self.patience.call(func, *args, **kwargs)
        except TimeoutError as error:
            self._in_a_row += 1
            if self._in_a_row == IN_A_ROW:
                raise GivenUp(f"The rest is not looked at. {error}") from error
            raise
        self._in_a_row = 0
        return result

    def pages(self, rows: QuerySet[M]) -> Iterator[list[M]]:
        """Yield pages of rows by their key; no cursor is open between two.

        A look that goes on where another has stopped begins after that row.
        """
        label = rows.model.__name__
        where, _, key = self.after.partition(":")
        if where not in ("", label):
            return  # The other look was through with these.
        ordered = rows.order_by("pk")
        page = list((ordered.filter(pk__gt=key) if key else ordered)[:PAGE])
        while page:
            yield page
            self.after = f"{label}:{page[-1].pk}"
            self.count(len(page))
            page = list(ordered.filter(pk__gt=page[-1].pk)[:PAGE])
        self.after = ""

    def read(self, name: str, alias: str) -> bytes | None:
        """Return the bytes of a file, ``None`` if that fails, which is noted.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        if alias not in django_settings.STORAGES:
            return None  # That is a class of its own.
        try:
            return self.ask(storage.read, name, alias)
        except FileNotFoundError:
            raise
        except Exception as error:
            self.fails(f"{name} in {alias}", error)
            return None


def long_ago() -> datetime.datetime:
    """Return the time before which nothing that goes on now can have begun."""
    return timezone.now() - datetime.timedelta(seconds=settings.SWEEP_GRACE_SECONDS)


def a_while_ago() -> datetime.datetime:
    """Return the time before which a run that has ended has done all of its work."""
    return timezone.now() - datetime.timedelta(seconds=settings.RUN_STALE_SECONDS)


def said(row: Model) -> str:
    """Return what a report calls a row."""
    return f"{row._meta.object_name} {row.pk}"
