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
        self,
        server: ChatKitServer[RequestContext],
        request: types.StreamingReq,
        context: RequestContext,
    ) -> None:
        self.id = uuid.uuid4()
        self.owner = context.owner
        self.thread_id: str | None = getattr(request.params, "thread_id", None)
        self.log = MemoryLog()
        self.failure: Exception | None = None
        self.readers = 0
        self.claimed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server = server
        self._request = request
        self._context = context
        self._trackers: list[ImageTracker] = []
        self._task: asyncio.Task[None] | None = None
        self._streaming = False
        self._ending = False

    def begin(self, body: bytes) -> None:
        """Start the task, in a context of its own.

        The request's context holds its thread for database work, which is gone
        when the request is.
        """
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._work(body), context=Context())
        LIVE[self.id] = self
        self._task.add_done_callback(lambda task: LIVE.pop(self.id, None))
        # Nobody may be left to ask why a claim was refused.
        self.claimed.add_done_callback(lambda claimed: claimed.exception())

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
        if self._ending:
            return  # It must not be cancelled in the middle of its last writes.
        self._ending = True
        # Nor in the middle of its claim: that one looks at the flag when it is through.
        if self._streaming and self._task is not None:
            self._task.cancel()

    def _abandoned(self) -> None:
        policy = settings.ON_DISCONNECT
        generating = any(tracker.busy for tracker in self._trackers)
        if policy == "cancel" or (policy == "auto" and not generating):
            self.stop()

    async def _work(self, body: bytes) -> None:
        current_run.set(self.id)
        trackers.set(self._trackers)
        with translation.override(self._context.locale):
            async with ThreadSensitiveContext():
                # Here, not in the request: if the client leaves in this moment, the
                # row is made all the same, and somebody has to release it.
                claim = database_sync_to_async(claims.claim)
                try:
                    await claim(self.id, self._request, self._context)
                except Exception as refusal:
                    self.claimed.set_exception(refusal)
                    self.log.close()
                    return
                self.claimed.set_result(None)
                await self._conduct(body)

    async def _conduct(self, body: bytes) -> None:
        """Write the stream to the log and release the claim, whatever happens."""
        beating = asyncio.create_task(self._beat())
        status, error = Run.Status.CANCELLED, ""
        try:
            if not self._ending:
                self._streaming = True
                error = await self._stream(body)
                status = Run.Status.FAILED if error else Run.Status.COMPLETED
        except asyncio.CancelledError:
            status = Run.Status.CANCELLED
        except Exception as failure:
            status, error = Run.Status.FAILED, f"{type(failure).__name__}: {failure}"
            self._fail(failure)
        finally:
            self._ending = True
            beating.cancel()
            try:
                await database_sync_to_async(claims.release)(self.id, status, error)
            finally:
                self.log.close()

    async def _stream(self, body: bytes) -> str:
        """Write the stream to the log and return the error it told of, if any."""
        result = await self._server.process(body, self._context)
        assert isinstance(result, StreamingResult)
        error = ""
        async for chunk in result:
            if self.thread_id is None:
                await self._attach(chunk)
            if chunk.startswith(ERROR_PREFIX):
                error = chunk[len(b"data: ") :].decode().strip()
            self.log.append(chunk)
        return error

    async def _attach(self, chunk: bytes) -> None:
        event = json.loads(chunk.removeprefix(b"data: "))
        if event["type"] == "thread.created":
            self.thread_id = str(event["thread"]["id"])
            await database_sync_to_async(claims.attach)(self.id, self.thread_id)

    def _fail(self, failure: Exception) -> None:
        if not len(self.log):
            # Nothing is sent yet: the door can answer with a status.
            self.failure = failure
            return
        logger.error("Run %s failed in its stream", self.id, exc_info=failure)
        event = types.ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)
        self.log.append(
            b"data: %s\n\n" % event.model_dump_json(exclude_none=True).encode()
        )

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(settings.RUN_STALE_SECONDS / 4)
            try:
                alive = await database_sync_to_async(Run.objects.beat)(self.id)
            except Exception:
                # The next beat may get through; without one the run is taken over.
                logger.warning("Run %s could not beat", self.id, exc_info=True)
                continue
            if not alive:
                logger.warning("Run %s was taken over", self.id)
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
    run = LiveRun(server, request, context)
    run.begin(body)
    try:
        await asyncio.shield(run.claimed)
    except asyncio.CancelledError:
        run.stop()
        raise
    return run


def stop(thread_id: str, owner: str) -> bool:
    """Stop the run of an owner's thread; ``False`` if this process has none."""
    for run in LIVE.values():
        if run.thread_id == thread_id and run.owner == owner:
            run.stop()
            return True
    return False
