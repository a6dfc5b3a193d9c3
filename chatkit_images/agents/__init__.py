"""ChatKit's ``stream_agent_response``, with every image in an item of its own."""

from __future__ import annotations

from .http_client import ImageHttpxClient
from .outcomes import cut_off_status
from .streaming import stream_agent_response
from .tools import expected_previews
from .tracker import ImageTracker, trackers

__all__ = [
    "ImageHttpxClient",
    "ImageTracker",
    "cut_off_status",
    "expected_previews",
    "stream_agent_response",
    "trackers",
]
