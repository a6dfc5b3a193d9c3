"""Settings of a server process: the tests' own, on the rows and files of a test run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.conf import global_settings

from tests import settings as base
from tests.settings import *  # noqa: F403
from tests.tuning import merged

from . import settings_s3

DATABASES = base.DATABASES
DATABASES["default"]["NAME"] = os.environ["CHATKIT_TEST_DATABASE"]
STORAGES = global_settings.STORAGES | settings_s3.of_environment()
MEDIA_ROOT = Path(os.environ["CHATKIT_TEST_FILES"]) / "media"
OWN = {
    "SERVER": "tests.servers.chat.ActingServer",
    "SPOOL_DIR": Path(os.environ["CHATKIT_TEST_FILES"]) / "spool",
    # One person does here what hundreds do elsewhere.
    "LIMITS": None,
    # A busy machine may need seconds between a cut and the next request.
    "TUNING": {"HEARTBEAT_SECONDS": 0.2, "RECONNECT_SECONDS": 5},
}
CHATKIT_IMAGES = merged(
    merged(base.CHATKIT_IMAGES, OWN),
    json.loads(os.environ.get("CHATKIT_TEST_SETTINGS", "{}")),
)
