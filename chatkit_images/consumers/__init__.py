"""Channels doors: the streams without a thread each, and threads to watch."""

from __future__ import annotations

from .http import ChatKitConsumer
from .websocket import ThreadConsumer

__all__ = ["ChatKitConsumer", "ThreadConsumer"]
