"""ChatKit's ``stream_agent_response``, with every image in an item of its own."""

from __future__ import annotations

from .streaming import stream_agent_response
from .tracker import ImageTracker, trackers

__all__ = ["ImageTracker", "stream_agent_response", "trackers"]
