"""Settings of a process of its own, with all of its data below ``DRIFT_HOME``.

``TEST_DATABASE`` says which database, of which ``DRIFT_DATABASE`` is the name,
``DRIFT_STORAGE`` where new files go, and ``DRIFT_S3`` where an S3 server is.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import global_settings

from tests.faults.storages import s3_storage
from tests.settings import *  # noqa: F403
from tests.settings import CHATKIT_IMAGES as SHARED
from tests.settings import DATABASES

HOME = Path(os.environ["DRIFT_HOME"])
if "DRIFT_DATABASE" in os.environ:
    DATABASES["default"]["NAME"] = os.environ["DRIFT_DATABASE"]
else:
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
    "STORAGE": os.environ.get("DRIFT_STORAGE", "default"),
    # So that all that seems to go on is over, however fast this machine is.
    "TUNING": {"RUN_STALE_SECONDS": 1},
    "RETENTION": dict.fromkeys(
        [
            *("THREADS", "PARTIAL_IMAGES", "FAILED_IMAGES"),
            *("SUPERSEDED_IMAGES", "RUNS", "USE_ENTRIES"),
        ],
        2,
    ),
}
STORAGES = global_settings.STORAGES | {
    # The one that ``tests.maintenance.planting`` calls so.
    "second": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": HOME / "second"},
    }
}
if "DRIFT_S3" in os.environ:
    STORAGES["s3"] = s3_storage(os.environ["DRIFT_S3"], "chat")
