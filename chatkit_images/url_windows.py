"""Windows of time in which a URL stays the same, so that browsers cache what it opens.

The windows of each thing begin at times of its own. Otherwise all URLs of a page would
change in the same second, and all pages would load all images again.
"""

from __future__ import annotations

import time
from zlib import crc32

from .conf import settings


def begin(thing: str, seconds: int | None = None, now: float | None = None) -> int:
    """Return the second in which the window of a thing began that is open now.

    All processes agree, because it follows from the thing and the clock.

    Args:
        thing: What the URL opens, e.g. the name of a file.
        seconds: How long a window is. Default: ``URL_WINDOW``.
        now: Seconds since 1970. Default: the clock's.
    """
    window = max(1, int(settings.URL_WINDOW if seconds is None else seconds))
    second = int(time.time() if now is None else now)
    return second - (second - crc32(thing.encode(errors="replace"))) % window
