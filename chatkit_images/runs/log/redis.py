"""Logs of runs that other processes read, by Redis Streams.

The process of a run writes to its memory and publishes from there: a Redis that is slow
or away slows nothing, and gets what it has missed, or a digest of it, when it is back.
Another process keeps a copy of each log that is read there, and follows all of them
with one connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from contextvars import Context
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError

from ...conf import settings
from .base import MemoryLogs
from .memory import Batch, MemoryLog

logger = logging.getLogger(__name__)
# Seconds that a run may be silent, an image for minutes, before Redis forgets it.
RUNNING_SECONDS = 3600
# Seconds between two tries while Redis is away, and for which one read waits.
RETRY_SECONDS, BLOCK_SECONDS = 0.5, 0.25
# Seconds for which a copy is kept that nobody reads, or that lacks entries.
PATIENCE_SECONDS = 5.0
# An entry that a try before, its answer lost, has added already.
REPEATED = "equal or smaller"


def keys(run_id: uuid.UUID) -> tuple[str, str]:
    """Return the names of a run's stream and of the digest of what was before it."""
    stream = f"chatkit_images:run:{run_id}"
    return stream, f"{stream}:digest"


def connect(url: str) -> Redis:
    """Return a client for few connections, none of which waits for ever."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        timeout=None,
        socket_timeout=5,
        socket_connect_timeout=2,
        # Whatever the URL says: answers to XREAD differ.
        protocol=2,
    )
    return Redis.from_pool(pool)


class RedisLogs(MemoryLogs):
    """Logs that every process reads which has the same ``RUN_LOG_URL``."""

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

    def discard(self, run_id: uuid.UUID) -> None:
        """Close the log of a run that has not begun, and forget it."""
        self._publishers[run_id].cancel()
        super().discard(run_id)

    async def open(self, run_id: uuid.UUID, running: bool = False) -> MemoryLog | None:
        """Return the log of a run to read from; ``None`` if it is not to be had.

        Args:
            run_id: The run.
            running: Whether it goes on: what is not there by now may come.
        """
        return await super().open(run_id) or await self._hub.open(run_id, running)

    async def aclose(self) -> None:
        """Let go of what the logs hold."""
        tasks = [*self._publishers.values(), *self._hub.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()


class Publisher:
    """Writes one log to Redis, as one more of its readers."""

    def __init__(self, redis: Redis, run_id: uuid.UUID, log: MemoryLog) -> None:
        self._redis = redis
        self._log = log
        self._stream, self._digest = keys(run_id)
        self._published = 0
        # Bytes since the last trimming, and the number up to which the next one goes.
        self._bytes = 0
        self._mark = 0
        # When to give up on a Redis that is away; nothing is set while the run goes on.
        self._over = 0.0

    async def publish(self) -> None:
        """Publish until the log ends; try again as long as somebody may ask for it."""
        async for batch in self._log.read():
            if not await self._insist(batch):
                return
        await self._insist([], settings.RUN_LOG_SECONDS)

    async def _insist(self, batch: Batch, seconds: float | None = None) -> bool:
        clock = asyncio.get_running_loop().time
        while not self._over or clock() < self._over:
            try:
                await self._write(batch, seconds)
                return True
            except (RedisError, OSError) as error:
                logger.warning("%s is not published: %s", self._stream, error)
            await asyncio.sleep(RETRY_SECONDS)
            if self._log.closed:
                self._over = self._over or clock() + settings.RUN_LOG_SECONDS
        return False

    async def _write(self, batch: Batch, end: float | None) -> None:
        """Write a batch, or the end and the seconds for which it is kept."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.exists(self._stream)
        numbers = [number for number, _ in batch]
        following = range(self._published + 1, self._published + 1 + len(batch))
        if numbers == list(following):
            for number, chunk in batch:
                pipe.xadd(self._stream, {"chunk": chunk}, id=f"{number}-0")
        else:
            self._set_digest(pipe, numbers[-1], [chunk for _, chunk in batch])
        self._bytes += sum(len(chunk) for _, chunk in batch)
        if self._bytes > settings.RUN_LOG_BYTES // 2:
            self._trim(pipe)
        if end is not None:
            pipe.xadd(self._stream, {"end": b"1"}, id=f"{self._log.last + 1}-0")
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
            # Flushed or evicted: what was before is told by the digest again.
            again = self._redis.pipeline()
            self._trim(again)
            await again.execute()

    def _trim(self, pipe: Any) -> None:
        """Replace what is older than the trimming before by the digest."""
        batch = self._log.digest(self._published)
        if batch:
            self._set_digest(pipe, batch[-1][0], [chunk for _, chunk in batch])
        pipe.xtrim(self._stream, minid=f"{self._mark}-0", approximate=False)
        self._mark, self._bytes = self._published, 0

    def _set_digest(self, pipe: Any, number: int, chunks: list[bytes]) -> None:
        value = {"number": number, "chunks": [chunk.decode() for chunk in chunks]}
        pipe.set(self._digest, json.dumps(value), ex=RUNNING_SECONDS)


class Hub:
    """The copies of the logs that are read in this process and written elsewhere."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._copies: dict[uuid.UUID, MemoryLog] = {}
        # Since when there has been a reason to give a copy up.
        self._doubts: dict[uuid.UUID, float] = {}
        self._lacking: set[uuid.UUID] = set()
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, run_id: uuid.UUID, running: bool) -> MemoryLog | None:
        """Return a copy that follows its log; ``None`` if Redis does not have it.

        That of a run that goes on is filled as soon as Redis is back, or has anything.
        """
        if (known := self._known(run_id)) is not None:
            return known
        copy = MemoryLog()
        copy.is_copy = True
        # A connection keeps the context that it is made in.
        fill = asyncio.create_task(self._fill(run_id, copy), context=Context())
        try:
            found = await fill
        except (RedisError, OSError) as error:
            logger.warning("The log of run %s is not read: %s", run_id, error)
            found = False
        if not (found or running):
            return None
        # Somebody else may have been quicker.
        copy = self._copies[run_id] = self._known(run_id) or copy
        if not self.tasks or self.tasks[0].done():
            self.tasks = [asyncio.create_task(self._follow(), context=Context())]
        return copy

    def _known(self, run_id: uuid.UUID) -> MemoryLog | None:
        """Return the copy that there is, but not one that was given up."""
        copy = self._copies.get(run_id)
        given_up = copy is not None and copy.closed and not copy.complete
        return None if given_up else copy

    async def _fill(self, run_id: uuid.UUID, copy: MemoryLog) -> bool:
        """Bring a copy up to date, from the digest if entries are missing."""
        stream, digest = keys(run_id)
        pipe = self._redis.pipeline(transaction=True)
        pipe.get(digest)
        pipe.xrange(stream)
        value, entries = await pipe.execute()
        if value is None and not entries:
            return False
        if entries and self._extend(copy, entries):
            return True
        told: dict[str, Any] = {"number": 0} if value is None else json.loads(value)
        if told["number"] <= copy.last:
            return False
        copy.seed(told["number"], [chunk.encode() for chunk in told["chunks"]])
        return self._extend(copy, entries)

    def _extend(self, copy: MemoryLog, entries: list[Any]) -> bool:
        """Append the entries that a copy lacks; ``False`` if some are missing."""
        for entry in entries:
            number, fields = _number(entry), entry[1]
            if number <= copy.last:
                continue
            if number > copy.last + 1:
                return False
            if b"end" in fields:
                copy.close()
            else:
                copy.append(fields[b"chunk"])
        return True

    async def _follow(self) -> None:
        while self._copies:
            try:
                await self._read()
            except Exception as error:
                # Its readers wait; what they miss meanwhile is there when it is back.
                logger.warning("Logs of runs are not read: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
            for run_id, copy in list(self._copies.items()):
                if copy.closed or self._is_given_up(run_id, copy):
                    copy.close(complete=False)
                    del self._copies[run_id]
                    self._lacking.discard(run_id)
                    self._doubts.pop(run_id, None)

    def _is_given_up(self, run_id: uuid.UUID, copy: MemoryLog) -> bool:
        if copy.readers and run_id not in self._lacking:
            self._doubts.pop(run_id, None)
            return False
        now = asyncio.get_running_loop().time()
        return now - self._doubts.setdefault(run_id, now) > PATIENCE_SECONDS

    async def _read(self) -> None:
        followed = {keys(run_id)[0].encode(): run_id for run_id in self._copies}
        positions: dict[Any, Any] = {
            stream: f"{self._copies[run_id].last}-0"
            for stream, run_id in followed.items()
        }
        block = int(BLOCK_SECONDS * 1000)
        answer: Any = await self._redis.xread(positions, block=block)
        for stream, entries in answer:
            run_id = followed[stream]
            copy = self._copies[run_id]
            if self._extend(copy, entries) or await self._fill(run_id, copy):
                self._lacking.discard(run_id)
                continue
            # Redis has forgotten, and the run's process has not yet noticed.
            self._lacking.add(run_id)
            await asyncio.sleep(BLOCK_SECONDS / 4)


def _number(entry: Any) -> int:
    return int(entry[0].partition(b"-")[0])
