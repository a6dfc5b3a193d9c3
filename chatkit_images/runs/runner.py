"""The task of a run, and what becomes of it when its readers leave."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from contextlib import aclosing
from contextvars import Context

from asgiref.sync import ThreadSensitiveContext
from chatkit import types
from chatkit.server import ChatKitServer, StreamingResult
from django.db import Error
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import translation

from .. import database
from ..agents import ImageTracker, trackers
from ..conf import settings
from ..context import RequestContext
from ..exceptions import UnexpectedResult
from ..models import Run
from ..protocol import ProtocolServer, event_stream
from ..run_state import RunState, current_run, current_state
from . import claims
from .log import Batches, get_logs
from .supervisor import supervisor

logger = logging.getLogger(__name__)
ERROR_PREFIX = b'data: {"type":"error"'
CREATED_PREFIX = b'data: {"type":"thread.created"'
LIVE: dict[uuid.UUID, LiveRun] = {}
"""The runs of this process by id."""


class LiveRun:
    """A run of this process: its task owns the SDK's generator to the end."""

    def __init__(
        self,
        server: ChatKitServer[RequestContext],
        request: types.StreamingReq,
        context: RequestContext,
        idempotency_key: str | None = None,
    ) -> None:
        self.id = uuid.uuid4()
        self.thread_id: str | None = getattr(request.params, "thread_id", None)
        self.log = get_logs().create(self.id)
        self.failure: Exception | None = None
        self.readers = 0
        self.claimed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whether it does its last writes, or is about to.
        self.ending = False
        # Time of the event loop; a run of which another process says that it reads it.
        self.read_elsewhere_until = 0.0
        self._server = server
        self._request = request
        self._context = context
        self._key = idempotency_key
        self._state = RunState()
        self._trackers: list[ImageTracker] = []
        self._task: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None
        # Time of the event loop until which somebody may come back.
        self._patient_until = 0.0
        # What URLs are made from; Django keeps it in the request's context.
        self._urls = get_script_prefix(), get_urlconf()
        self._streaming = False

    def begin(self, body: bytes) -> None:
        """Start the task, in a context of its own.

        The request's context holds its thread for database work, which is gone
        when the request is.
        """
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._work(body), context=Context())
        LIVE[self.id] = self
        # A callback keeps the context it is made in, if it is not given one.
        self._task.add_done_callback(
            lambda task: LIVE.pop(self.id, None), context=Context()
        )
        # Nobody may be left to ask why a claim was refused.
        self.claimed.add_done_callback(
            lambda claimed: claimed.exception(), context=Context()
        )

    async def events(
        self,
        after: int = 0,
        *,
        join: bool = False,
        patient: bool = False,
        idle: float | None = None,
    ) -> Batches:
        """Yield the run's chunks; leaving may end the run.

        Args:
            after: Number of the last chunk that the reader has.
            join: Whether it gets what the stream shows by now instead.
            patient: Whether the reader may come back if it leaves.
            idle: Seconds of silence after which an empty batch is yielded.

        Raises:
            Exception: What made the run fail before its first chunk.
        """
        self.readers += 1
        if self._leaving is not None:
            self._leaving.cancel()
        try:
            async with aclosing(self.log.batches(after, join, idle)) as batches:
                async for batch in batches:
                    yield batch
                    if batch:  # Who asks for more has been sent that.
                        self._state.served.set()
            if self.failure is not None:
                raise self.failure
        finally:
            self.readers -= 1
            self.left(patient)

    def stop(self) -> None:
        """End the run, whatever it is doing; a second call changes nothing."""
        if self.ending:
            return  # It must not be cancelled in the middle of its last writes.
        self.ending = True
        # Nor in the middle of its claim: that one looks at the flag when it is through.
        if self._streaming and self._task is not None:
            self._task.cancel()

    def interrupt(self) -> None:
        """End the run because the server ends."""
        if not self.ending:
            self._state.interrupted = True
            self.stop()

    async def wait(self) -> None:
        """Wait until the run has ended and its row says so."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def left(self, patient: bool) -> None:
        """Let a reader leave, who may come back, here or in another process."""
        if patient:
            now = asyncio.get_running_loop().time()
            self._patient_until = now + settings.RECONNECT_SECONDS
        if not self.readers and not self.log.closed:
            self._state.served.set()
            self._wait_for_readers()

    def _wait_for_readers(self) -> None:
        loop = asyncio.get_running_loop()
        until = max(self._patient_until, self.read_elsewhere_until)
        if until > loop.time():
            wait = self._wait_for_readers
            self._leaving = loop.call_at(until, wait, context=Context())
        elif not self.readers:
            self._abandoned()

    def _abandoned(self) -> None:
        policy = settings.ON_DISCONNECT
        generating = any(tracker.busy for tracker in self._trackers)
        if policy == "cancel" or (policy == "auto" and not generating):
            self.stop()

    async def _work(self, body: bytes) -> None:
        current_run.set(self.id)
        current_state.set(self._state)
        trackers.set(self._trackers)
        prefix, urlconf = self._urls
        set_script_prefix(prefix)
        set_urlconf(urlconf)
        with translation.override(self._context.locale):
            async with ThreadSensitiveContext():
                # Here, not in the request: if the client leaves in this moment, the
                # row is made all the same, and somebody has to release it.
                try:
                    await self._claim()
                except Exception as refusal:
                    # For who sends it again before what was claimed is released.
                    self.failure = refusal
                    self.claimed.set_exception(refusal)
                    get_logs().discard(self.id)
                    await self._disclaim(refusal)
                    return
                self.claimed.set_result(None)
                await self._conduct(body)

    async def _claim(self) -> None:
        """Claim the thread, which is made at the same time for a first message."""
        server, made = self._server, None
        if self._request.type == "threads.create" and isinstance(
            server, ProtocolServer
        ):
            made = server.thread_to_claim(self._context)
        with database.ahead():
            run = await database.once(
                claims.claim, self.id, self._request, self._context, self._key, made
            )
        if made is not None and run.thread_id == made.id:
            self.thread_id, self._state.made = made.id, made

    async def _disclaim(self, refusal: Exception) -> None:
        """Release what a claim may have made although its answer did not come."""
        if isinstance(refusal, Error | OSError):
            await self._release(Run.Status.FAILED, answered=False)

    async def _release(self, status: str, error: str = "", *, answered: bool) -> None:
        # Else the claim of what is said next in the thread would come before.
        with database.ahead():
            await database.call(
                claims.release, self.id, status, error, answered=answered
            )

    async def _conduct(self, body: bytes) -> None:
        """Write the stream to the log and release the claim, whatever happens."""
        supervisor().live[self.id] = self
        supervisor().begin()
        status, error = Run.Status.CANCELLED, ""
        try:
            if self.thread_id is not None:
                supervisor().tell(self.thread_id, self.id)
            if self.ending:
                raise asyncio.CancelledError  # Before it began.
            self._streaming = True
            error = await self._stream(body)
            status = Run.Status.FAILED if error else Run.Status.COMPLETED
        except asyncio.CancelledError:
            await self._cut_off()
            if self._state.interrupted:
                status, error = Run.Status.INTERRUPTED, "The server stopped."
        except Exception as failure:
            status, error = Run.Status.FAILED, f"{type(failure).__name__}: {failure}"
            self._fail(failure)
        finally:
            self.ending = True
            try:
                answered = self._streaming and self.log.last > 0
                await self._release(status, error, answered=answered)
            except Exception:
                # Its row stays as it is until somebody takes it over.
                logger.exception("Run %s is not ended", self.id)
            finally:
                # Not before: while it waits for a thread it has to be known as alive.
                del supervisor().live[self.id]
                get_logs().end(self.id)
                # Connections to the model outlive the run, and keep its context.
                self._trackers.clear()
                self._state.placeholders.clear()

    async def _stream(self, body: bytes) -> str:
        """Write the stream to the log and return the error it told of, if any.

        It waits for nothing but the stream: a cancellation reaches the SDK, which
        would not notice one that came in between.
        """
        result = await self._server.process(body, self._context)
        if not isinstance(result, StreamingResult):
            op = self._request.type
            raise UnexpectedResult(self._server, op, StreamingResult, result)
        error = ""
        async for chunk in result:
            if self.thread_id is None and chunk.startswith(CREATED_PREFIX):
                event = json.loads(chunk.removeprefix(b"data: "))
                self.thread_id = str(event["thread"]["id"])
            if chunk.startswith(ERROR_PREFIX):
                error = chunk[len(b"data: ") :].decode().strip()
            self.log.append(chunk)
        return error

    async def _cut_off(self) -> None:
        """See to it that the thread tells of its end, and the client of the server's.

        The SDK tells the thread only if its answer had begun.
        """
        server, context = self._server, self._context
        if self._state.interrupted:
            self.log.append(event_stream.chunk(event_stream.broken_off()))
        if self._state.told or not isinstance(server, ProtocolServer):
            return
        if self.thread_id is None or not self._streaming:
            return
        if self._request.type == "threads.create" and not self.log.last:
            # Nobody knows of it, so it goes.
            return
        try:
            thread = await server.store.load_thread(self.thread_id, context)
            await server.handle_stream_cancelled(thread, [], context)
        except Exception:
            # The run ends as it is; only the model will not know of it.
            logger.warning("Thread %s is not told", self.thread_id, exc_info=True)

    def _fail(self, failure: Exception) -> None:
        if not self.log.last:
            # Nothing is sent yet: the door can answer with a status.
            self.failure = failure
            return
        logger.error("Run %s failed in its stream", self.id, exc_info=failure)
        self.log.append(event_stream.chunk(event_stream.broken_off()))
