"""The task of a run, and what becomes of it when its readers leave."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncGenerator
from contextvars import Context

from asgiref.sync import ThreadSensitiveContext
from channels.db import database_sync_to_async
from chatkit import types
from chatkit.errors import ErrorCode
from chatkit.server import ChatKitServer, StreamingResult
from django.utils import translation

from ..agents import ImageTracker, trackers
from ..conf import settings
from ..context import RequestContext, current_run
from ..models import Run
from . import claims
from .log.memory import MemoryLog

logger = logging.getLogger(__name__)
ERROR_PREFIX = b'data: {"type":"error"'
LIVE: dict[uuid.UUID, LiveRun] = {}
"""The runs of this process by id."""


class LiveRun:
    """A run of this process: its task owns the SDK's generator to the end."""

    def __init__(
        self, row: Run, server: ChatKitServer[RequestContext], context: RequestContext
    ) -> None:
        self.row = row
        self.log = MemoryLog()
        self.failure: Exception | None = None
        self.readers = 0
        self._server = server
        self._context = context
        self._trackers: list[ImageTracker] = []
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    def begin(self, body: bytes) -> None:
        """Start the task, in a context of its own.

        The request's context holds its thread for database work, which is gone
        when the request is.
        """
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._work(body), context=Context())
        LIVE[self.row.pk] = self
        self._task.add_done_callback(lambda task: LIVE.pop(self.row.pk, None))

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the run's chunks from the first; leaving may end the run.

        Raises:
            Exception: What made the run fail before its first chunk.
        """
        self.readers += 1
        try:
            async for chunk in self.log.read():
                yield chunk
            if self.failure is not None:
                raise self.failure
        finally:
            self.readers -= 1
            if not self.readers:
                self._abandoned()

    def stop(self) -> None:
        """End the run, whatever it is doing; a second call changes nothing."""
        # A run that is ending must not be cancelled in the middle of its writes.
        if self._task is not None and not self._ending:
            self._ending = True
            self._task.cancel()

    def _abandoned(self) -> None:
        policy = settings.ON_DISCONNECT
        generating = any(tracker.busy for tracker in self._trackers)
        if policy == "cancel" or (policy == "auto" and not generating):
            self.stop()

    async def _work(self, body: bytes) -> None:
        current_run.set(self.row.pk)
        trackers.set(self._trackers)
        async with ThreadSensitiveContext():
            beating = asyncio.create_task(self._beat())
            status, error = Run.Status.FAILED, ""
            try:
                with translation.override(self._context.locale):
                    error = await self._stream(body)
                status = Run.Status.FAILED if error else Run.Status.COMPLETED
            except asyncio.CancelledError:
                status = Run.Status.CANCELLED
            except Exception as failure:
                error = f"{type(failure).__name__}: {failure}"
                self._fail(failure)
            finally:
                self._ending = True
                beating.cancel()
                try:
                    release = database_sync_to_async(claims.release)
                    await release(self.row.pk, status, error)
                finally:
                    self.log.close()

    async def _stream(self, body: bytes) -> str:
        """Write the stream to the log and return the error it told of, if any."""
        result = await self._server.process(body, self._context)
        assert isinstance(result, StreamingResult)
        error = ""
        async for chunk in result:
            if self.row.thread_id is None:
                await self._attach(chunk)
            if chunk.startswith(ERROR_PREFIX):
                error = chunk[len(b"data: ") :].decode().strip()
            self.log.append(chunk)
        return error

    async def _attach(self, chunk: bytes) -> None:
        event = json.loads(chunk.removeprefix(b"data: "))
        if event["type"] == "thread.created":
            self.row.thread_id = event["thread"]["id"]
            await database_sync_to_async(claims.attach)(self.row.pk, self.row.thread_id)

    def _fail(self, failure: Exception) -> None:
        if not len(self.log):
            # Nothing is sent yet: the door can answer with a status.
            self.failure = failure
            return
        logger.exception("Run %s failed in its stream", self.row.pk)
        event = types.ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)
        self.log.append(
            b"data: %s\n\n" % event.model_dump_json(exclude_none=True).encode()
        )

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(settings.RUN_STALE_SECONDS / 4)
            alive = await database_sync_to_async(Run.objects.beat)(self.row.pk)
            if not alive:
                logger.warning("Run %s was taken over", self.row.pk)
                return self.stop()


async def start(
    server: ChatKitServer[RequestContext],
    request: types.StreamingReq,
    body: bytes,
    context: RequestContext,
) -> LiveRun:
    """Claim a turn and start its task.

    Raises:
        NotFoundError: If the owner has no such thread.
        RequestRefused: If the thread is locked, closed or busy.
    """
    row = await database_sync_to_async(claims.claim)(request, context)
    run = LiveRun(row, server, context)
    run.begin(body)
    return run


def stop(thread_id: str, owner: str) -> bool:
    """Stop the run of an owner's thread; ``False`` if this process has none."""
    for run in LIVE.values():
        if run.row.thread_id == thread_id and run.row.owner == owner:
            run.stop()
            return True
    return False
