"""HTTP doors: the chat endpoint, pictures, uploads."""

from __future__ import annotations

from .attachments import AnnouncedUploadView, UploadView
from .chat import ChatKitView, StopView
from .images import AttachmentView, ImageView, SessionImageView

__all__ = [
    "AnnouncedUploadView",
    "AttachmentView",
    "ChatKitView",
    "ImageView",
    "SessionImageView",
    "StopView",
    "UploadView",
]
