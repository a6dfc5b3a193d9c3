"""Logs of runs in Redis, dropped before their time."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from redis import Redis
from redis.exceptions import RedisError

from .publisher import keys


def drop(url: str, run_ids: Collection[uuid.UUID]) -> bool:
    """Delete the logs of ended runs; ``False`` if Redis is away.

    They end by themselves ``RUN_LOG_SECONDS`` after their run.

    Args:
        url: Where Redis is.
        run_ids: The runs.
    """
    names = [name for run_id in run_ids for name in keys(run_id)]
    try:
        with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2) as redis:
            if names:
                redis.delete(*names)
    except (RedisError, OSError):
        return False
    return True
