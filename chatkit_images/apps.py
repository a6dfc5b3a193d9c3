"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatKitImagesConfig(AppConfig):
    """Connects the signal handlers and registers the checks."""

    name = "chatkit_images"
    verbose_name = _("ChatKit")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, models, reports, signal_handlers, storage
        from .queries import blobs

        checks.register()
        signal_handlers.connect()
        reports.connect()
        before = models.Installation.storage_of_before
        storage.whereabouts.connect(blobs.aliases_of, before)
