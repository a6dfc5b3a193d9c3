"""Servers that tests need beside the application."""

from __future__ import annotations

import os
import socket
from typing import NoReturn

import pytest

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def absent(what: str) -> NoReturn:
    """Skip for want of a service; where all are required, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is required here.")
    pytest.skip(f"{what} is not there.")


def answers(host: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0


def redis() -> str:
    """Return the URL of a Redis, or skip the test."""
    pytest.importorskip("redis")
    host, _, port = REDIS_URL.split("/")[2].rpartition("@")[2].partition(":")
    if not answers(host, int(port or 6379)):
        absent("Redis")
    return REDIS_URL
