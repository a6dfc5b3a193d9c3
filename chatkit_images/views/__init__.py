"""HTTP endpoints: the chat, what its composer may send, runs, images, uploads."""

from __future__ import annotations

from .attachments import AnnouncedUploadView, FinishUploadView, UploadView
from .chat import ChatKitView
from .composer import ComposerView
from .csrf import CsrfTokenView
from .entities import EntitiesView, EntityView
from .images import AttachmentView, ImageView, SessionImageView
from .limits import LimitsView
from .lineage import LineageView
from .reporting import ReportView
from .runs import (
    ReadyView,
    RunEventsView,
    StopView,
    ThreadEventsView,
    ThreadStatusView,
)

__all__ = [
    "AnnouncedUploadView",
    "AttachmentView",
    "ChatKitView",
    "ComposerView",
    "CsrfTokenView",
    "EntitiesView",
    "EntityView",
    "FinishUploadView",
    "ImageView",
    "LimitsView",
    "LineageView",
    "ReadyView",
    "ReportView",
    "RunEventsView",
    "SessionImageView",
    "StopView",
    "ThreadEventsView",
    "ThreadStatusView",
    "UploadView",
]
