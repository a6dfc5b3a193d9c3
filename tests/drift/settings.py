"""Settings of a process of its own, with all of its data below ``DRIFT_HOME``."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import global_settings

from tests.settings import *  # noqa: F403
from tests.settings import CHATKIT_IMAGES as SHARED

HOME = Path(os.environ["DRIFT_HOME"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "db.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
MEDIA_ROOT = HOME / "media"
CHATKIT_IMAGES = SHARED | {
    "SPOOL_DIR": HOME / "spool",
    # So that all that seems to go on is over, however fast this machine is.
    "TUNING": {"RUN_STALE_SECONDS": 1},
}
STORAGES = global_settings.STORAGES | {
    # The one that ``tests.maintenance.planting`` calls so.
    "second": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": HOME / "second"},
    }
}
