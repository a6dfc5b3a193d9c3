"""Settings of a process that may be killed: the tests' own, on a world's files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests import settings as base
from tests.settings import *  # noqa: F403
from tests.tuning import merged

from .storages import s3_storage

WORLD = Path(os.environ["CHATKIT_FAULTS_WORLD"])
DATABASES = base.DATABASES
DATABASES["default"]["NAME"] = os.environ["CHATKIT_FAULTS_DATABASE"]
if "timeout" in DATABASES["default"].get("OPTIONS", {}):
    DATABASES["default"]["OPTIONS"]["timeout"] = float(
        os.environ["CHATKIT_FAULTS_PATIENCE"]
    )
# A new connection for each task: no process outlives its requests here.
MEDIA_ROOT = WORLD / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if endpoint := os.environ["CHATKIT_FAULTS_S3"]:
    STORAGES["chatkit_images"] = s3_storage(endpoint, WORLD.name)
CHATKIT_IMAGES = merged(
    # One person does here what hundreds do elsewhere.
    base.CHATKIT_IMAGES | {"SPOOL_DIR": WORLD / "spool", "LIMITS": None},
    json.loads(os.environ["CHATKIT_FAULTS_SETTINGS"]),
)
