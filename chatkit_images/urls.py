"""Routes: ``path("chatkit/", include("chatkit_images.urls"))``."""

from __future__ import annotations

import uuid

from django.urls import path, register_converter
from django.urls.converters import UUIDConverter

from . import views
from .models import GeneratedImage


class ImageKey:
    """An image by the id that clients have (``img_...``), or by its row's key."""

    regex = rf"{GeneratedImage.ID_PREFIX}[0-9a-f]{{32}}|{UUIDConverter.regex}"

    def to_python(self, value: str) -> uuid.UUID:
        """Return the key of the row."""
        return uuid.UUID(value.removeprefix(GeneratedImage.ID_PREFIX))

    def to_url(self, value: object) -> str:
        """Return either as it is."""
        return str(value)


register_converter(ImageKey, "chatkit_image")

app_name = "chatkit_images"

urlpatterns = [
    path("", views.ChatKitView.as_view(), name="chat"),
    path("threads/<str:thread_id>/stop/", views.StopView.as_view(), name="stop"),
    path(
        "threads/<str:thread_id>/status/",
        views.ThreadStatusView.as_view(),
        name="status",
    ),
    path(
        "threads/<str:thread_id>/events/",
        views.ThreadEventsView.as_view(),
        name="thread-events",
    ),
    path(
        "runs/<uuid:run_id>/events/", views.RunEventsView.as_view(), name="run-events"
    ),
    path("runs/<uuid:run_id>/stop/", views.StopView.as_view(), name="run-stop"),
    path("csrf/", views.CsrfTokenView.as_view(), name="csrf"),
    path("limits/", views.LimitsView.as_view(), name="limits"),
    path("composer/", views.ComposerView.as_view(), name="composer"),
    path("entities/", views.EntitiesView.as_view(), name="entities"),
    path("entities/<str:entity_id>/", views.EntityView.as_view(), name="entity"),
    path("ready/", views.ReadyView.as_view(), name="ready"),
    path("images/<str:token>/", views.ImageView.as_view(), name="image"),
    path(
        "images/<chatkit_image:key>/lineage/",
        views.LineageView.as_view(),
        name="lineage",
    ),
    path(
        "images/<chatkit_image:key>/report/",
        views.ReportView.as_view(),
        name="report",
    ),
    path(
        "images/<uuid:key>/<slug:variant>/",
        views.SessionImageView.as_view(),
        name="session-image",
    ),
    path("attachments/", views.UploadView.as_view(), name="upload-direct"),
    path("attachments/<str:token>/", views.AttachmentView.as_view(), name="attachment"),
    path(
        "attachments/<str:attachment_id>/finish/",
        views.FinishUploadView.as_view(),
        name="upload-finish",
    ),
    path("uploads/<str:token>/", views.AnnouncedUploadView.as_view(), name="upload"),
]
