"""The S3 server of a server process, if a test has one."""

from __future__ import annotations

import os
from typing import Any

from tests.faults.storages import s3_storage

ENDPOINT, LOCATION = "CHATKIT_TEST_S3", "site"


def of_environment() -> dict[str, Any]:
    """Return what ``STORAGES`` has for it."""
    endpoint = os.environ.get(ENDPOINT)
    return {"default": s3_storage(endpoint, LOCATION)} if endpoint else {}
