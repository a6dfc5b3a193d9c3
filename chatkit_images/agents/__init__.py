"""ChatKit's ``stream_agent_response``, with every image in an item of its own."""

from __future__ import annotations

from .http_client import ImageHttpxClient
from .streaming import stream_agent_response
from .tools import expected_previews
from .tracker import ImageTracker, cut_off_status, trackers

__all__ = [
    "ImageHttpxClient",
    "ImageTracker",
    "cut_off_status",
    "expected_previews",
    "stream_agent_response",
    "trackers",
]
