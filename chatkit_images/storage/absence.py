"""Files that are not there, of storages that have words of their own for that.

Django's storages raise ``FileNotFoundError``. Others, such as django-storages' for
Azure and Dropbox, let through what the client of their service raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def told(exists: Callable[[str], bool], name: str) -> Iterator[None]:
    """Raise ``FileNotFoundError`` if a storage fails because there is no such file.

    What an operating system raises speaks for itself: a directory that cannot be
    entered would say of each file that it is not there.

    Args:
        exists: The storage's own method.
        name: The file.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if _is_absent(exists, name):
            raise FileNotFoundError(name) from error
        raise


def _is_absent(exists: Callable[[str], bool], name: str) -> bool:
    try:
        return exists(name) is False
    except Exception as error:
        logger.warning("Nobody can tell whether %s is there: %r", name, error)
        return False
