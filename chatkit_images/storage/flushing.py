"""The way of files from the spool to the storage that their rows name."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ..conf import settings
from ..failures import remedies
from . import backend, lanes, spool, whereabouts
from .names import folder
from .patience import Patience

logger = logging.getLogger(__name__)
_flushing = threading.Lock()
# Files that a flush tries in vain, one after the other, before it leaves the rest.
IN_A_ROW = 3
# Files whose storages are asked for at once.
BATCH = 500
# Seconds in which a process does not look again into a spool in which it has found
# nothing, unless it leaves a file there itself.
REST = 60
# The files that are next, and when nothing was found, for each directory. Each listing
# serves all moves until it is through.
_rounds: dict[Path, Iterator[str]] = {}
_empty: dict[Path, tuple[float, int]] = {}


def flush_spool(
    names: Iterable[str] | None = None, *, limit: int | None = None
) -> list[str]:
    """Move files from the spool to the storage and return their names.

    Args:
        names: Which files. Default: those that were handed over.
        limit: How many at most.

    Raises:
        Exception: The database's own, if it does not say where files go. They stay.
    """
    return list(islice(moving(names), limit))


def moving(
    names: Iterable[str] | None = None, errors: list[Exception] | None = None
) -> Iterator[str]:
    """Move files from the spool to the storage, and yield the name of each.

    A file that the storage refuses stays, and the next one is tried. After
    ``IN_A_ROW`` of them the storage is taken for one that takes no file. Several
    processes may flush one spool.

    Args:
        names: Which files. Default: those that were handed over.
        errors: Gets what the storage or the spool raises about single files.

    Raises:
        Exception: The database's own, if it does not say where files go. They stay.
    """
    waiting = iter(spool.handed_over() if names is None else names)
    errors = [] if errors is None else errors
    refused = 0
    with Patience() as patience:
        while batch := list(islice(waiting, BATCH)):
            aliases = whereabouts.ask(batch)
            for name in batch:
                before = len(errors)
                if _move(patience, name, aliases.get(name), errors):
                    refused = 0
                    yield name
                elif len(errors) > before:
                    refused += 1
                    if refused == IN_A_ROW:
                        return


def soon() -> None:
    """Flush one file of the spool in the background, if one may wait there."""
    root = settings.SPOOL_DIR / folder()
    then, news = _empty.get(root, (0.0, -1))
    rests = news == spool.news() and time.monotonic() < then + REST
    if not rests and root.is_dir() and _flushing.acquire(blocking=False):
        lanes.begin_quietly("flush", _flush_one, root)


def _flush_one(root: Path) -> None:
    try:
        news = spool.news()
        if root not in _rounds:
            _rounds[root] = spool.handed_over()
            _empty[root] = time.monotonic(), news
        errors: list[Exception] = []
        with Patience() as patience:
            for name in _rounds[root]:
                _empty.pop(root, None)
                alias = whereabouts.ask([name]).get(name)
                if _move(patience, name, alias, errors) or errors:
                    return
        del _rounds[root]
    except Exception:
        # The file stays in the spool; the next round tries it again.
        logger.warning("The spool cannot be flushed", exc_info=True)
        _empty.pop(root, None)
    finally:
        _flushing.release()


def _move(
    patience: Patience, name: str, alias: str | None, errors: list[Exception]
) -> bool:
    """Move a file, and return whether it is there now.

    It is not if the storage refuses it, and if another process has moved it.
    """
    try:
        data = spool.path_of(name).read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("The spool does not give %s: %r", name, error)
        errors.append(error)
        return False
    try:
        patience.call(backend.put, name, data, alias)
    except Exception as error:
        why = remedies.of_storage(error)
        logger.warning("The storage still refuses %s: %r %s", name, error, why)
        # To the end of the queue, so that the next flush begins with another.
        spool.hand_over(name)
        errors.append(error)
        return False
    spool.drop(name)
    return True
