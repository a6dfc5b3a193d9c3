"""Settings of a server process: the tests' own, on the rows and files of a test run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests import settings as base
from tests.settings import *  # noqa: F403

DATABASES = base.DATABASES
DATABASES["default"]["NAME"] = os.environ["CHATKIT_TEST_DATABASE"]
MEDIA_ROOT = Path(os.environ["CHATKIT_TEST_FILES"]) / "media"
CHATKIT_IMAGES = base.CHATKIT_IMAGES | {
    "SERVER": "tests.servers.chat.ActingServer",
    "SPOOL_DIR": Path(os.environ["CHATKIT_TEST_FILES"]) / "spool",
    "HEARTBEAT_SECONDS": 0.2,
    # A busy machine may need seconds between a cut and the next request.
    "RECONNECT_SECONDS": 5,
    **json.loads(os.environ.get("CHATKIT_TEST_SETTINGS", "{}")),
}
