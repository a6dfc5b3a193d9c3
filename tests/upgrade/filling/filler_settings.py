"""Settings of the filler: those of its revision's tests, on files of its own."""

from __future__ import annotations

import os
from pathlib import Path

from tests import settings as base
from tests.settings import *  # noqa: F403

WORK = Path(os.environ["FILLER_DIRECTORY"])
MEDIA_ROOT = WORK / "storage"
DATABASES = base.DATABASES
DATABASES["default"]["NAME"] = str(WORK / "db.sqlite3")
CHATKIT_IMAGES = base.CHATKIT_IMAGES | {
    "SPOOL_DIR": WORK / "spool",
    "RUN_LOG_URL": os.environ["REDIS_URL"],
    "ALLOW_ANONYMOUS": True,
}
# What goes wrong here goes wrong on purpose, and what does not raises.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {name: {"level": "CRITICAL"} for name in ("chatkit", "chatkit_images")},
}
