"""The ChatKit server of a Django project."""

from __future__ import annotations

from .attempts import stream_answer
from .chatkit_server import DjangoChatKitServer
from .loading import get_server

__all__ = ["DjangoChatKitServer", "get_server", "stream_answer"]
