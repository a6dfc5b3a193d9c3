"""ChatKit's ``stream_agent_response``, with every image in an item of its own."""

from __future__ import annotations

from .generating import GeneratingImage, generating_image
from .http_client import ImageHttpxClient
from .model_texts import tool_error
from .nested_images import nested
from .open_streams import trackers
from .outcomes import cut_off, of_failure
from .providers import asking_provider
from .streaming import stream_agent_response
from .tool_outputs import ModelImage
from .tools import expected_previews
from .tracker import ImageTracker

__all__ = [
    "GeneratingImage",
    "ImageHttpxClient",
    "ImageTracker",
    "ModelImage",
    "asking_provider",
    "cut_off",
    "of_failure",
    "expected_previews",
    "generating_image",
    "nested",
    "stream_agent_response",
    "tool_error",
    "trackers",
]
