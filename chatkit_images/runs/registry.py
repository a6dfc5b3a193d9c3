"""The runs of this process."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .live_run import LiveRun

LIVE: dict[uuid.UUID, LiveRun] = {}
"""The runs of this process by id, from their beginning to the end of their task."""
