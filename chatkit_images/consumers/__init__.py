"""Endpoints for Channels: streams that take no thread, and a WebSocket of a thread."""

from __future__ import annotations

from .http import ChatKitConsumer
from .websocket import ThreadConsumer

__all__ = ["ChatKitConsumer", "ThreadConsumer"]
