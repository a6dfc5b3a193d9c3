"""The way of files from the spool to the storage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from ..conf import settings
from ..failures import remedies
from . import backend, lanes, spool
from .names import folder
from .patience import Patience

logger = logging.getLogger(__name__)
_flushing = threading.Lock()
# Files that a flush tries in vain, one after the other, before it leaves the rest.
IN_A_ROW = 3


def flush_spool(
    names: Iterable[str] | None = None, *, limit: int | None = None
) -> list[str]:
    """Move files from the spool to the storage and return their names.

    A file that the storage refuses stays, and the next one is tried. After
    ``IN_A_ROW`` of them the storage is taken for one that takes no file.

    Args:
        names: Which files. Default: those that were handed over.
        limit: How many at most.
    """
    moved: list[str] = []
    refused = 0
    with Patience() as patience:
        for name in spool.handed_over() if names is None else names:
            if limit in (len(moved), refused) or refused == IN_A_ROW:
                break
            try:
                data = spool.path_of(name).read_bytes()
            except FileNotFoundError:
                continue  # Another process has flushed it.
            except OSError as error:
                logger.warning("The spool does not give %s: %r", name, error)
                continue
            try:
                patience.call(backend.put, name, data)
            except Exception as error:
                why = remedies.of_storage(error)
                logger.warning("The storage still refuses %s: %r %s", name, error, why)
                # To the end of the queue, so that the next flush begins with another.
                spool.hand_over(name)
                refused += 1
                continue
            spool.drop(name)
            moved.append(name)
            refused = 0
    return moved


def soon() -> None:
    """Flush one file of the spool in the background, if one may wait there."""
    waits = (settings.SPOOL_DIR / folder()).is_dir()
    if waits and _flushing.acquire(blocking=False):
        lanes.later(_flush_one)


def _flush_one() -> None:
    try:
        flush_spool(limit=1)
    except Exception:
        # The file stays in the spool; the next write tries again.
        logger.warning("The spool cannot be flushed", exc_info=True)
    finally:
        _flushing.release()
