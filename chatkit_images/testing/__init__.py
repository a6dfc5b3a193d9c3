"""A stand-in for OpenAI's API that answers on loopback, for tests and demos.

``chatkit_images.testing.contracts`` has contract suites for stores; it needs pytest.
"""

from __future__ import annotations

from .api import LoopbackAPI
from .dialects import DIALECTS, Dialect, refusing
from .drawing import draw
from .model import default_model
from .script import (
    JSON,
    Drop,
    ErrorEvent,
    FailedImage,
    Gate,
    HTTPError,
    Image,
    Images,
    Raw,
    Reasoning,
    ResponseFailed,
    ResponseIncomplete,
    Step,
    Text,
    ToolCall,
    Usage,
    Wait,
)
from .serving import serve

__all__ = [
    "DIALECTS",
    "JSON",
    "Dialect",
    "Drop",
    "ErrorEvent",
    "FailedImage",
    "Gate",
    "HTTPError",
    "Image",
    "Images",
    "LoopbackAPI",
    "Raw",
    "Reasoning",
    "ResponseFailed",
    "ResponseIncomplete",
    "Step",
    "Text",
    "ToolCall",
    "Usage",
    "Wait",
    "default_model",
    "draw",
    "refusing",
    "serve",
]
