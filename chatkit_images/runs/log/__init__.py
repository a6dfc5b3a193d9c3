"""Logs of runs."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from django.utils.module_loading import import_string

from ...conf import settings
from .base import MemoryLogs
from .chunks import Batch
from .memory import Batches, MemoryLog

__all__ = ["Batch", "Batches", "MemoryLog", "MemoryLogs", "get_logs"]
# Waiting readers belong to an event loop, so each has its logs. A server has one loop.
_logs: WeakKeyDictionary[asyncio.AbstractEventLoop, MemoryLogs] = WeakKeyDictionary()


def get_logs() -> MemoryLogs:
    """Return the logs of this process, shared if ``RUN_LOG_URL`` is set."""
    loop = asyncio.get_running_loop()
    if loop not in _logs:
        _logs[loop] = _make(settings.RUN_LOG_URL)
    return _logs[loop]


def _make(url: str | None) -> MemoryLogs:
    if url is None:
        return MemoryLogs()
    # The package ``redis`` is an extra, so it is imported only if a URL is set.
    shared = import_string("chatkit_images.runs.log.redis.RedisLogs")
    logs: MemoryLogs = shared(url)
    return logs
