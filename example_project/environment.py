"""What the example project reads from its environment, beyond plain strings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.utils import get_random_secret_key


def flag(name: str, default: bool) -> bool:
    """Read an on/off variable."""
    value = os.environ.get(name, "")
    return value.lower() in {"1", "true", "yes", "on"} if value else default


def secret_key(path: Path) -> str:
    """Return SECRET_KEY, or the key kept in `path`, made on first use.

    A key that changed with every start would end every session and break every
    signed image URL with it.
    """
    if key := os.environ.get("SECRET_KEY"):
        return key
    # A database and people's images will be beside it.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # Exclusive creation: of two processes that start together one writes the
        # key and the other reads it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        key = get_random_secret_key()
        file.write(key)
    return key


def s3_options() -> dict[str, Any] | None:
    """Return the S3 storage's options, or None without a bucket."""
    bucket = os.environ.get("CHATKIT_IMAGES_S3_BUCKET")
    if not bucket:
        return None
    # Only who names a bucket needs the extra `s3`.
    from botocore.config import Config

    return {
        "bucket_name": bucket,
        "endpoint_url": os.environ.get("CHATKIT_IMAGES_S3_ENDPOINT") or None,
        "access_key": os.environ.get("CHATKIT_IMAGES_S3_ACCESS_KEY") or None,
        "secret_key": os.environ.get("CHATKIT_IMAGES_S3_SECRET_KEY") or None,
        "region_name": os.environ.get("CHATKIT_IMAGES_S3_REGION") or None,
        # boto3's own timeouts block a write for three minutes on a silent server.
        "client_config": Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 2},
            # Not every service takes the checksums that boto3 adds.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        "file_overwrite": False,
        "querystring_auth": True,
        "location": "images",
    }
