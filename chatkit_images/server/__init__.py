"""The ChatKit server of a Django project."""

from __future__ import annotations

from .chatkit_server import DjangoChatKitServer
from .loading import get_server

__all__ = ["DjangoChatKitServer", "get_server"]
