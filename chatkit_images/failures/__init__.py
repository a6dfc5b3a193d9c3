"""Why something has no result: one decision for whatever told of it.

A provider tells of a failure by the item of a call, by an event of a stream, by the end
of a response, by an HTTP status with a body, or not at all. ``of`` reads them all and
returns a ``Failure``. Rows, words, retries and logs follow from it.
"""

from __future__ import annotations

from . import rows
from .failure import Failure
from .presence import Presence, presence_of
from .reasons import Reason
from .remedies import for_staff, tell
from .sources import attach, of

__all__ = [
    "Failure",
    "Presence",
    "Reason",
    "attach",
    "for_staff",
    "of",
    "presence_of",
    "rows",
    "tell",
]
