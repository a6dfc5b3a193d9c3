"""A run of this process, as the rest of the process sees it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from contextvars import Context

from chatkit import types
from chatkit.server import ChatKitServer

from .. import reports, timing
from ..agents import trackers
from ..context import RequestContext
from ..contexts import own_thread, task_of
from ..run_state import current_run, current_state
from .log import Batches, get_logs
from .readers import Readers
from .registry import LIVE
from .supervisor import supervisor
from .task import RunTask


class LiveRun:
    """A run of this process: its task, its log and its readers.

    Attributes:
        id: The id of its row.
        log: What its task writes and its readers read.
        context: For whom it works.
        task: What its task does.
        readers: Its readers. Without readers it may be stopped.
        loop: The event loop of its task.
        claimed: Done when the run has its claim; has the exception of a refusal.
    """

    def __init__(
        self,
        server: ChatKitServer[RequestContext],
        request: types.StreamingReq,
        context: RequestContext,
        idempotency_key: str | None = None,
        make_task: Callable[..., RunTask] = RunTask,
    ) -> None:
        self.id = uuid.uuid4()
        self.context = context
        self.log = get_logs().create(self.id)
        self.task = make_task(
            self.id, self.log, server, request, context, idempotency_key
        )
        self.readers = Readers(self.task)
        self.loop = asyncio.get_running_loop()
        self.claimed: asyncio.Future[None] = self.loop.create_future()
        self._asyncio_task: asyncio.Task[None] | None = None

    @property
    def thread_id(self) -> str | None:
        """Return the id of its thread; ``None`` until its first message has made it."""
        return self.task.thread_id

    @property
    def ending(self) -> bool:
        """Whether the run was stopped, or does its last writes."""
        return self.task.ending

    def begin(self, body: bytes) -> None:
        """Start the task, in a context of its own.

        The context of the request has its thread for database work, which ends with the
        request.
        """
        self.task.state.trace = reports.carrier()
        task = self.loop.create_task(self._work(body), context=Context())
        self._asyncio_task = task
        LIVE[self.id] = self
        # A callback keeps the context in which it is made, if it is not given one.
        task.add_done_callback(lambda task: LIVE.pop(self.id, None), context=Context())
        # If the request has gone, nobody retrieves the exception of a refusal, and
        # asyncio would log a warning.
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
        """Yield the chunks of the run. A reader that leaves may end the run.

        Args:
            after: Number of the last chunk that the reader has.
            join: Whether the reader gets what the stream shows by now instead.
            patient: Whether the reader may come back if it leaves.
            idle: Seconds of silence after which an empty batch is yielded.

        Raises:
            Exception: What made the run fail before its first chunk. A reader that has
                a batch already, an empty one too, gets an error event instead.
        """
        begun = False
        with self.readers.reading(patient):
            async with aclosing(self.log.batches(after, join, idle)) as batches:
                async for batch in batches:
                    begun = True
                    yield batch
                    if batch:
                        # A reader asks for more after it has sent its last batch.
                        self.task.state.served.set()
            failure = self.task.failure
            if failure is not None and not begun:
                raise failure
            if failure is not None:
                yield [(0, self.task.last_words(failure))]

    def stop(self) -> None:
        """End the run, whatever it is doing; a second call changes nothing."""
        self.task.stop()

    def withdraw(self, words: str) -> None:
        """End the run because staff say so, in their words if there are any."""
        self.task.withdraw(words)

    def interrupt(self) -> None:
        """End the run because the server ends."""
        self.task.interrupt()

    def show(self, chunk: bytes) -> None:
        """Show its readers what has changed in its thread."""
        if not self.log.closed:
            self.log.append(chunk)

    def read_elsewhere(self) -> None:
        """Note that another process reads the run."""
        self.readers.seen_elsewhere()

    async def wait(self) -> None:
        """Wait until the run has ended and its row says so."""
        if self._asyncio_task is not None:
            await asyncio.wait([self._asyncio_task])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work as the run, for whom it works: in its own task, or in its caller's."""
        figures = self.task.state.asked.timings
        subject = timing.Subject(run=str(self.id), timings=(figures,))
        run = current_run.set(self.id)
        state = current_state.set(self.task.state)
        mine = trackers.set(self.task.trackers)
        about = timing.subject.set(subject)
        try:
            async with task_of(self.context):
                yield
        finally:
            timing.subject.reset(about)
            trackers.reset(mine)
            current_state.reset(state)
            current_run.reset(run)

    async def _work(self, body: bytes) -> None:
        """Do what the task does, as the run, for whom it works."""
        reports.enter(self.task.state.trace)
        async with own_thread(), self.working():
            # The task claims, not the request: if the client leaves meanwhile, the
            # row is made all the same, and somebody has to release it.
            if await self._claim():
                await self._answer(body)

    async def _claim(self) -> bool:
        try:
            with timing.measured("claim"):
                await self.task.claim()
        except Exception as refusal:
            # A client that sends the request again, before ``disclaim`` is through, is
            # sent to this run and reads why it was refused.
            self.task.failure = refusal
            self.claimed.set_exception(refusal)
            get_logs().forget(self.id)
            await self.task.disclaim(refusal)
            return False
        self.claimed.set_result(None)
        return True

    async def _answer(self, body: bytes) -> None:
        try:
            # The release is included: while the run waits for a thread of the database,
            # its row needs heartbeats.
            lasting = self.task.needs_reader
            with supervisor().supervising(self, lasting=lasting):
                await self.task.answer(body)
        finally:
            get_logs().close(self.id)
            self.task.forget_images()
