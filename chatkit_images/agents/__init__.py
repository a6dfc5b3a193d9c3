"""ChatKit's ``stream_agent_response``, with every image in an item of its own."""

from __future__ import annotations

from .edit_tools import edit_tool
from .generating import GeneratingImage, generating_image
from .http_client import ImageHttpxClient
from .model_texts import tool_error
from .named_files import image_bytes
from .nested_images import nested
from .open_streams import trackers
from .outcomes import cut_off, of_failure
from .providers import asking_provider
from .recalling import recall_image
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
    "edit_tool",
    "expected_previews",
    "generating_image",
    "image_bytes",
    "nested",
    "recall_image",
    "stream_agent_response",
    "tool_error",
    "trackers",
]
