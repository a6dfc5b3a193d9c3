"""Publishes a log of this process to Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from ...conf import settings
from .chunks import Batch
from .memory import MemoryLog
from .seals import Kind, joined, seal

logger = logging.getLogger(__name__)
# Seconds without an event after which Redis forgets a log. An image may take minutes.
RUNNING_SECONDS = 3600
# Seconds between two tries while Redis is away.
RETRY_SECONDS = 0.5
# Redis' error if an earlier try, whose answer was lost, has added the entry.
REPEATED = "equal or smaller"


def keys(run_id: uuid.UUID) -> tuple[str, str]:
    """Return the names of a run's stream and of the digest of trimmed entries."""
    stream = f"chatkit_images:run:{run_id}"
    return stream, f"{stream}:digest"


class Publisher:
    """Writes one log to Redis, as one more of its readers."""

    def __init__(self, redis: Redis, run_id: uuid.UUID, log: MemoryLog) -> None:
        self._redis = redis
        self._log = log
        self._stream, self._digest = keys(run_id)
        self._run_id = run_id
        self._published = 0
        # Bytes since the last trimming, and the number up to which the next one goes.
        self._bytes = 0
        self._mark = 0
        # When to give up on a Redis that is away; 0 while the run goes on.
        self._over = 0.0
        self._is_away = False

    async def publish(self) -> None:
        """Publish until the log ends; retry as long as readers may come for it."""
        async for batch in self._log.read():
            if not await self._insist(batch):
                return
        await self._insist([], settings.RUN_LOG_SECONDS)

    async def _insist(self, batch: Batch, seconds: float | None = None) -> bool:
        clock = asyncio.get_running_loop().time
        while not self._over or clock() < self._over:
            try:
                await self._write(batch, seconds)
                self._is_away = False
                return True
            except (RedisError, OSError) as error:
                if not self._is_away:  # Said once, however long.
                    logger.warning("%s is not published: %s", self._stream, error)
                self._is_away = True
            await asyncio.sleep(RETRY_SECONDS)
            if self._log.closed:
                self._over = self._over or clock() + settings.RUN_LOG_SECONDS
        return False

    async def _write(self, batch: Batch, end: float | None) -> None:
        """Write a batch, or the end and the seconds for which Redis keeps the log."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.exists(self._stream)
        numbers = [number for number, _ in batch]
        following = range(self._published + 1, self._published + 1 + len(batch))
        if numbers == list(following):
            for number, chunk in batch:
                self._add(pipe, "chunk", number, chunk)
        else:
            self._set_digest(pipe, numbers[-1], [chunk for _, chunk in batch])
        self._bytes += sum(len(chunk) for _, chunk in batch)
        if self._bytes > settings.RUN_LOG_BYTES // 2:
            self._trim(pipe)
        if end is not None:
            self._add(pipe, "end", self._log.last + 1, b"1")
        for key in (self._stream, self._digest):
            pipe.expire(key, int(RUNNING_SECONDS if end is None else end) + 1)
        existed, *results = await pipe.execute(raise_on_error=False)
        for result in results:
            if isinstance(result, ResponseError) and REPEATED in str(result):
                continue
            if isinstance(result, Exception):
                raise result
        forgotten = self._published and not existed
        self._published = max([self._published, *numbers])
        if forgotten:
            # The stream was flushed or evicted, so the digest is published again.
            again = self._redis.pipeline()
            self._trim(again)
            await again.execute()

    def _add(self, pipe: Any, kind: Kind, number: int, data: bytes) -> None:
        """Add an entry, with its seal."""
        fields = {kind: data, "seal": seal(self._run_id, kind, number, data)}
        pipe.xadd(self._stream, fields, id=f"{number}-0")

    def _trim(self, pipe: Any) -> None:
        """Replace the entries before the last trimming by the digest."""
        batch = self._log.digest(self._published)
        if batch:
            self._set_digest(pipe, batch[-1][0], [chunk for _, chunk in batch])
        pipe.xtrim(self._stream, minid=f"{self._mark}-0", approximate=False)
        self._mark, self._bytes = self._published, 0

    def _set_digest(self, pipe: Any, number: int, chunks: list[bytes]) -> None:
        value = {"number": number, "chunks": [chunk.decode() for chunk in chunks]}
        sealed = seal(self._run_id, "digest", number, joined(chunks))
        value["seal"] = sealed.hex()
        pipe.set(self._digest, json.dumps(value), ex=RUNNING_SECONDS)
