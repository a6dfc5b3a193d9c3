"""Which storage has a file, asked where only its name is known.

Rows say it, and rows are not of this layer: the app connects what asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..conf import settings

Find = Callable[[Sequence[str]], Mapping[str, str]]
Before = Callable[[], str]
_asked: list[tuple[Find, Before]] = []


def connect(find: Find, before: Before) -> None:
    """Connect what asks the rows.

    Args:
        find: Returns the aliases of the storages that have files, by the names of the
            files; those of which no row knows are left out.
        before: Returns the alias of the storage that has the files whose rows name no
            storage.
    """
    _asked[:] = [(find, before)]


def ask(names: Sequence[str]) -> Mapping[str, str]:
    """Return the aliases of the storages that have files, as the rows say now.

    Raises:
        Exception: The database's own, if it does not answer.
    """
    return _asked[0][0](names) if _asked and names else {}


def alias_of(said: str | None) -> str:
    """Return the alias of a storage.

    Args:
        said: What a row says, which is empty in rows of before; ``None`` for the
            storage to which new files go.

    Raises:
        Exception: The database's own, if it has to be asked and does not answer.
    """
    if said:
        return said
    if said is None or not _asked:
        return settings.STORAGE
    return _asked[0][1]()
