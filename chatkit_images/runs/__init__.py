"""Runs: the task of a run writes to a log, and clients read the log.

- ``starting``: a request gets a run. ``repeats`` says which run answers it already,
  ``refusals`` why it gets none; ``claims`` and ``releases`` have the transactions in
  which a run is claimed, released or taken over.
- ``live_run``: a run of this process; ``registry`` has all of them. It is made of its
  ``task``, its ``readers`` and its ``outcome``.
- ``generating``: an image that the project's code generates outside of a turn, in a
  run whose ``generation_task`` streams what the block of that code makes.
- ``log``: the events of a run. ``following`` reads them, wherever the run is.
- ``stopping``, ``watching``, ``followed_logs``: stops, news and logs across
  processes. The ``supervisor`` does this work by ``polling`` the rows of runs.
- ``drain``: the end of the server.
"""

from __future__ import annotations

from . import drain
from .following import follow
from .generating import generating_image
from .live_run import LiveRun
from .log import Batch, Batches
from .polling import recent
from .refusals import check_changeable
from .registry import LIVE
from .releases import find
from .repeats import Repeated, check_repetition
from .starting import start
from .stopping import stop, stop_by_staff
from .supervisor import supervisor
from .watching import Watch

__all__ = [
    "LIVE",
    "Batch",
    "Batches",
    "LiveRun",
    "Repeated",
    "Watch",
    "check_changeable",
    "check_repetition",
    "drain",
    "find",
    "follow",
    "generating_image",
    "recent",
    "start",
    "stop",
    "stop_by_staff",
    "supervisor",
]
