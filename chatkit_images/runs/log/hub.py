"""Logs of other processes, read from Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from contextvars import Context
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from .memory import MemoryLog
from .publisher import RETRY_SECONDS, keys
from .seals import Kind, is_sealed, joined

logger = logging.getLogger(__name__)
# Seconds for which one read waits.
BLOCK_SECONDS = 0.25
# Seconds after which a copy is given up that nobody reads, or that lacks entries.
PATIENCE_SECONDS = 5.0


class Hub:
    """The copies of the logs that are read in this process and written elsewhere."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._copies: dict[uuid.UUID, MemoryLog] = {}
        # The time since which there has been a reason to give a copy up.
        self._doubts: dict[uuid.UUID, float] = {}
        self._lacking: set[uuid.UUID] = set()
        # Runs of processes of before, whose entries have no seals.
        self._unsealed: set[uuid.UUID] = set()
        self._is_away = False
        self.tasks: list[asyncio.Task[None]] = []

    async def open(
        self, run_id: uuid.UUID, running: bool, sealed: bool = True
    ) -> MemoryLog | None:
        """Return a copy that follows its log; ``None`` if Redis does not have it.

        If the run goes on, this always returns a copy. It is filled as soon as Redis is
        back, or has an entry.
        """
        if (known := self._known(run_id)) is not None:
            return known
        if not sealed:
            self._unsealed.add(run_id)
        copy = MemoryLog(is_copy=True)
        # A connection keeps the context that it is made in.
        fill = asyncio.create_task(self._fill(run_id, copy), context=Context())
        try:
            found = await fill
        except (RedisError, OSError) as error:
            logger.warning("The log of run %s is not read: %s", run_id, error)
            found = False
        if not (found or running):
            self._unsealed.discard(run_id)
            return None
        # Another reader may have made a copy meanwhile.
        copy = self._copies[run_id] = self._known(run_id) or copy
        if not self.tasks or self.tasks[0].done():
            self.tasks = [asyncio.create_task(self._follow(), context=Context())]
        return copy

    def _known(self, run_id: uuid.UUID) -> MemoryLog | None:
        """Return the copy of a log, if there is one that was not given up."""
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
        if entries and self._extend(run_id, copy, entries):
            return True
        number, chunks = _read_digest(run_id, value, run_id not in self._unsealed)
        if number <= copy.last:
            return False
        copy.seed(number, chunks)
        return self._extend(run_id, copy, entries)

    def _extend(self, run_id: uuid.UUID, copy: MemoryLog, entries: list[Any]) -> bool:
        """Append the entries that a copy lacks.

        Returns:
            ``False`` if some are missing, or were not written by this project.
        """
        for entry in entries:
            number, fields = _number(entry), entry[1]
            if number <= copy.last:
                continue
            kind: Kind = "end" if b"end" in fields else "chunk"
            data = fields.get(kind.encode(), b"")
            if number > copy.last + 1:
                return False
            if not (
                is_sealed(fields.get(b"seal"), run_id, kind, number, data)
                or (run_id in self._unsealed and data)
            ):
                if run_id not in self._lacking:  # Said once, however long.
                    logger.warning("An entry of run %s is none of ours", run_id)
                return False
            if kind == "end":
                copy.close()
            else:
                copy.append(data)
        return True

    async def _follow(self) -> None:
        while self._copies:
            try:
                await self._read()
                self._is_away = False
            except Exception as error:
                # Readers wait. When Redis is back, it has the events that they missed.
                if not self._is_away:  # One warning, however long this takes.
                    logger.warning("Logs of runs are not read: %r", error)
                self._is_away = True
                await asyncio.sleep(RETRY_SECONDS)
            for run_id, copy in list(self._copies.items()):
                if copy.closed or self._is_given_up(run_id, copy):
                    copy.close(complete=False)
                    del self._copies[run_id]
                    self._lacking.discard(run_id)
                    self._unsealed.discard(run_id)
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
            if self._extend(run_id, copy, entries) or await self._fill(run_id, copy):
                self._lacking.discard(run_id)
                continue
            # Redis has lost the log, and the run's process has not yet noticed.
            self._lacking.add(run_id)
            await asyncio.sleep(BLOCK_SECONDS / 4)


def _read_digest(
    run_id: uuid.UUID, value: bytes | None, sealed: bool
) -> tuple[int, list[bytes]]:
    """Return the number and the chunks of a digest; 0 if this project has made none."""
    try:
        told = json.loads(value or b"{}")
        number, chunks = told["number"], [chunk.encode() for chunk in told["chunks"]]
        found = bytes.fromhex(told["seal"]) if sealed else None
        if not sealed or is_sealed(found, run_id, "digest", number, joined(chunks)):
            return int(number), chunks
    except (AttributeError, KeyError, TypeError, ValueError):
        logger.info("The digest of run %s is none of ours", run_id)
    return 0, []


def _number(entry: Any) -> int:
    return int(entry[0].partition(b"-")[0])
