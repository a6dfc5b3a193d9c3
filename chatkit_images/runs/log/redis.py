"""Logs of runs that other processes read, by Redis Streams.

The process of a run writes to its memory and publishes from there. A Redis that is slow
or away slows nothing. When it is back, it gets the events that it has missed, or their
digest. Another process keeps a copy of each log that it reads, and follows all of them
with one connection.
"""

from __future__ import annotations

import asyncio
import uuid
from contextvars import Context

from redis.asyncio import BlockingConnectionPool, Redis

from .base import MemoryLogs
from .hub import Hub
from .memory import MemoryLog
from .publisher import Publisher


def connect(url: str) -> Redis:
    """Return a client with few connections, each with timeouts."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        timeout=None,
        socket_timeout=5,
        socket_connect_timeout=2,
        # The URL must not choose another one, because answers to XREAD differ.
        protocol=2,
    )
    return Redis.from_pool(pool)


class RedisLogs(MemoryLogs):
    """Logs that every process with the same ``RUN_LOG_URL`` can read."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._redis = connect(url)
        self._hub = Hub(self._redis)
        self._publishers: dict[uuid.UUID, asyncio.Task[None]] = {}

    def create(self, run_id: uuid.UUID) -> MemoryLog:
        """Return the log that a run of this process writes to."""
        log = super().create(run_id)
        publisher = asyncio.create_task(
            Publisher(self._redis, run_id, log).publish(), context=Context()
        )
        self._publishers[run_id] = publisher
        publisher.add_done_callback(
            lambda task: self._publishers.pop(run_id, None), context=Context()
        )
        return log

    def forget(self, run_id: uuid.UUID) -> None:
        """Close the log of a run that got no claim, and forget it."""
        self._publishers[run_id].cancel()
        super().forget(run_id)

    async def open(
        self, run_id: uuid.UUID, running: bool = False, sealed: bool = True
    ) -> MemoryLog | None:
        """Return the log of a run for readers; ``None`` if there is none.

        Args:
            run_id: The run.
            running: Whether the run goes on, so that a log may still come.
            sealed: Whether entries without a seal are none of its own.
        """
        known = await super().open(run_id)
        return known or await self._hub.open(run_id, running, sealed)

    async def aclose(self) -> None:
        """Release tasks and connections."""
        tasks = [*self._publishers.values(), *self._hub.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()
