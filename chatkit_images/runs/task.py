"""What the task of a run does: it claims, streams to the log, and releases."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from functools import partial

from chatkit import types
from chatkit.server import ChatKitServer, StreamingResult
from django.db import Error

from .. import database
from ..agents import ImageTracker
from ..context import RequestContext
from ..contexts import working_for
from ..exceptions import UnexpectedResult
from ..failures import Failure, Reason, tell
from ..protocol import ProtocolServer
from ..protocol.limits import limits_for
from ..run_state import RunState
from . import claims, end_events, outcome, releases
from .log import MemoryLog
from .outcome import RunOutcome
from .supervisor import supervisor

logger = logging.getLogger(__name__)


class RunTask:
    """Claims a thread, writes the answer to a log, and releases the thread.

    One task iterates the SDK's generator to its end, whoever reads the log. The steps
    are ``claim``, then ``answer`` or ``disclaim``.

    Attributes:
        id: The id of the run.
        log: Where the stream goes.
        thread_id: The thread; ``None`` until a first message has made it.
        failure: What made the run fail before anything was sent.
        ending: Whether the run was stopped, or does its last writes.
        end: How it has ended, or ends; ``None`` before.
        needs_reader: Whether ``ON_DISCONNECT`` decides about it if nobody reads it.
        state: Facts that the run and the code that it calls share.
        trackers: The trackers of its images.
    """

    needs_reader = True

    def __init__(
        self,
        run_id: uuid.UUID,
        log: MemoryLog,
        server: ChatKitServer[RequestContext],
        request: types.StreamingReq,
        context: RequestContext,
        idempotency_key: str | None,
    ) -> None:
        self.id = run_id
        self.log = log
        self.thread_id: str | None = getattr(request.params, "thread_id", None)
        self.failure: Exception | None = None
        self.ending = False
        self.end: RunOutcome | None = None
        self.state = RunState(check_image=getattr(server, "image_check", None))
        self.trackers: list[ImageTracker] = []
        self._server = server
        self._request = request
        self._context = context
        self._key = idempotency_key
        # The task that iterates the stream, as soon as it does.
        self._streaming: asyncio.Task[None] | None = None

    @property
    def is_generating(self) -> bool:
        """Whether an image is being generated."""
        return any(tracker.busy for tracker in self.trackers)

    def stop(self) -> None:
        """End the run, whatever it is doing; a second call changes nothing."""
        if self.ending:
            return  # The last writes must not be cancelled.
        self.ending = True
        self._cut()

    def withdraw(self, words: str) -> None:
        """End the run because staff say so, in their words if there are any."""
        if not self.ending:
            self.state.stopped = Failure(Reason.STOPPED_BY_STAFF, words=words)
            self.stop()

    def interrupt(self) -> None:
        """End the run because the server ends."""
        if not self.ending:
            self.state.interrupted = True
            self.stop()

    async def claim(self) -> None:
        """Claim the thread. For a first message this makes the thread too.

        Raises:
            Exception: Why the thread cannot be claimed, or the database's own.
        """
        server, made, choice = self._server, None, None
        with database.ahead():
            if isinstance(server, ProtocolServer):
                # Also if the project checks its requests without the app's own check.
                choice = await server.chosen(self._request, self._context)
                if self._request.type == "threads.create":
                    made = server.thread_to_claim(self._context)
            self.state.limits = limits = await limits_for(server, self._context)
            run = await database.once(
                claims.claim,
                self.id,
                self._request,
                self._context,
                self._key,
                made,
                choice,
                limits,
            )
        if made is not None and run.thread_id == made.id:
            self.thread_id, self.state.made = made.id, made

    async def disclaim(self, refusal: Exception) -> None:
        """Release the claim, which may have succeeded although no answer came."""
        if isinstance(refusal, Error | OSError):
            await self._release(outcome.UNCLAIMED, answered=False)

    async def answer(self, body: bytes) -> None:
        """Write the stream to the log and release the claim, whatever happens."""
        end = outcome.of_stop(self.state.stopped)
        try:
            if self.ending:
                raise asyncio.CancelledError  # It was stopped during its claim.
            self._streaming = asyncio.current_task()
            error = await self._stream(body)
            end = outcome.of_stream(error, self.state.failure)
        except asyncio.CancelledError:
            end = outcome.of_stop(self.state.stopped)
            if self.state.interrupted:
                end = outcome.INTERRUPTED
            await self._cut_off(end)
        except Exception as failure:
            end = outcome.of_failure(failure)
            self._fail(failure, end)
        finally:
            self.ending, self.end = True, end
            try:
                answered = self._streaming is not None and self.log.last > 0
                await self._release(end, answered=answered)
            except Exception:
                logger.exception("Run %s is not ended yet", self.id)
                supervisor().owe(partial(self._release_late, end, answered))

    def last_words(self, failure: Exception) -> bytes:
        """Return the chunk that says why the log is empty.

        It is for a reader who waited so long that its response has its status already.
        """
        logger.error("Run %s failed in its stream", self.id, exc_info=failure)
        end = outcome.of_failure(failure)
        tell(end.failure, f"Run {self.id}")
        user = self._context.user
        return end_events.of(self.id, None, end, user, noted=True)[-1]

    def forget_images(self) -> None:
        """Forget the images: connections to the model keep the context of the run."""
        self.trackers.clear()
        self.state.placeholders.clear()

    def _cut(self) -> None:
        """Cancel the stream. During the claim, ``answer`` checks the flag after it."""
        if self._streaming is not None:
            self._streaming.cancel()

    async def _release(self, end: RunOutcome, *, answered: bool) -> None:
        # If the release waited for other calls, the next message would be refused.
        with database.ahead():
            if not await database.call(self._releasing(end, answered)):
                self.end = outcome.INTERRUPTED  # Another process has taken it over.

    async def _release_late(self, end: RunOutcome, answered: bool) -> None:
        with working_for(self._context):
            await database.aside(self._releasing(end, answered))

    def _releasing(self, end: RunOutcome, answered: bool) -> partial[bool]:
        known = {"asked": self.state.asked, "thread_id": self.thread_id}
        release = partial(releases.release, self.id, end.status, end.failure)
        return partial(release, answered=answered, **known)

    async def _stream(self, body: bytes) -> str:
        """Write the stream to the log and return the last error event in it, if any.

        It waits for nothing but the stream, so that a cancellation always reaches the
        SDK. The SDK would not notice one that came between two events.
        """
        error = ""
        async for chunk in await self._chunks(body):
            self.thread_id = self.thread_id or outcome.thread_in(chunk)
            error = outcome.error_in(chunk) or error
            self.log.append(chunk)
        return error

    async def _chunks(self, body: bytes) -> AsyncIterator[bytes]:
        """Return the chunks of the stream."""
        result = await self._server.process(body, self._context)
        if not isinstance(result, StreamingResult):
            op = self._request.type
            raise UnexpectedResult(self._server, op, StreamingResult, result)
        return aiter(result)

    async def _cut_off(self, end: RunOutcome) -> None:
        """Say in the thread that its answer was cut off.

        The SDK does so only if its answer had begun. If the server ends, clients get an
        error event.
        """
        server, context = self._server, self._context
        self._tell(end)
        if self.state.cut_off_noted or not isinstance(server, ProtocolServer):
            return
        if self.thread_id is None or self._streaming is None:
            return
        if self._request.type == "threads.create" and not self.log.last:
            # No client has seen the thread, so the release deletes it.
            return
        try:
            thread = await server.store.load_thread(self.thread_id, context)
            await server.handle_stream_cancelled(thread, [], context)
        except Exception:
            # The run still ends, but the model will not learn why.
            logger.warning("Thread %s has no note", self.thread_id, exc_info=True)

    def _tell(self, end: RunOutcome) -> None:
        """Write the note of the answer to the log, and the error event if it failed."""
        noted, user = self.state.noted or not self.log.last, self._context.user
        for chunk in end_events.of(self.id, self.thread_id, end, user, noted=noted):
            self.log.append(chunk)

    def _fail(self, failure: Exception, end: RunOutcome) -> None:
        if not self.log.last:
            # Nothing is sent yet, so the view can still answer with a status.
            self.failure = failure
            return
        logger.error("Run %s failed in its stream", self.id, exc_info=failure)
        tell(end.failure, f"Run {self.id}")
        self._tell(end)
