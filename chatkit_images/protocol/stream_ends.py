"""An answer, from its first event to its last, that leaves no item without an end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

from chatkit import types
from chatkit.errors import BaseStreamError
from chatkit.server import ChatKitServer
from django.utils import timezone

from .. import database, failures, models, times
from ..agents import of_failure, trackers
from ..context import RequestContext
from ..exceptions import ClaimLost, NotFoundError
from ..failures import Failure, Reason
from ..queries import endings, failure_columns
from ..run_state import RunState, current_run, current_state
from . import event_stream
from .open_items import OpenItems

logger = logging.getLogger(__name__)
Status = models.Run.Status


class StreamEndMixin(ChatKitServer[RequestContext]):
    """Streams an answer and leaves no item open, however the answer ends."""

    async def _process_events(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[types.ThreadStreamEvent]],
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Stream an answer, then the ends of the items that it has left open.

        The SDK leaves the generator of the answer to the garbage collector when its
        own part fails or is cancelled, so the generator is closed here.
        """
        mine = trackers.get() is None
        if mine:
            trackers.set([])
        answer = Answer(self, thread, context, stream)
        # The SDK declares an iterator, but it is a generator.
        events = cast(
            "AsyncGenerator[types.ThreadStreamEvent, None]",
            super()._process_events(thread, context, answer.events),
        )
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, types.ErrorEvent):
                        async for end in answer.fail(event):
                            yield end
                        continue
                    answer.items.follow(event)
                    yield event
            async for end in answer.end():
                yield end
        except asyncio.CancelledError:
            # handle_stream_cancelled() has ended the rows of the images.
            async for end in answer.cut_off():
                yield end
            raise
        finally:
            await answer.close()
            if mine:
                trackers.set(None)


class Answer:
    """The answer to one request: its events, and how it ends.

    Attributes:
        items: What its reader sees being made.
    """

    def __init__(
        self,
        server: ChatKitServer[RequestContext],
        thread: types.ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[types.ThreadStreamEvent]],
    ) -> None:
        self.items = OpenItems()
        self._store, self._thread, self._context = server.store, thread, context
        self._stream = stream
        self._source: AsyncIterator[types.ThreadStreamEvent] | None = None
        self._state = current_state.get() or RunState()
        self._began = timezone.now()
        self._error: Exception | None = None
        # Error events that the project has made itself.
        self._own: list[types.ErrorEvent] = []

    async def events(self) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Yield the events of the answer, and note what makes it fail."""
        try:
            self._source = self._stream()
            async for event in self._source:
                if (key := self.items.renamed(event)) is not None:
                    yield types.ThreadItemRemovedEvent(item_id=key)
                if isinstance(event, types.ErrorEvent):
                    self._own.append(event)
                self._state.fault = None
                yield event
        except Exception as error:
            self._error = error
            raise

    async def close(self) -> None:
        """Close the generator of the answer."""
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()

    async def fail(
        self, event: types.ErrorEvent
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """End the answer, and yield the error event in the words of its failure.

        Args:
            event: The SDK's, which has no words, or the project's own.
        """
        if any(event is own for own in self._own):
            yield event
            return
        error = self._error or self._state.fault
        failure = failures.of(error) or failure_columns.STREAM_ERROR
        self._state.failure = failure
        failures.tell(failure, f"Run {current_run.get()}")
        for tracker in trackers.get() or ():
            await tracker.abandon(of_failure(failure))
        run = self._ended(Status.FAILED, failure)
        told = event
        if not isinstance(error, BaseStreamError):
            told = event_stream.failed(run, self._context.user)
        ends = list(self.items.end())
        if failure.reason is Reason.NOT_SAVED:
            # The reader does not wait for a database that is away. The release of the
            # run leaves the note.
            self._state.noted = True
            note = types.ThreadItemDoneEvent(item=endings.note_of(run, times.now()))
            for end in (*ends, note, told):
                yield end
            await self._save(ends)
            return
        await self._save(ends)
        for end in ends:
            yield end
        async for end in self._note(run):
            yield end
        yield told

    async def end(self) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """End what an answer that came to its end has left open."""
        for tracker in trackers.get() or ():
            await tracker.abandon(of_failure(failure_columns.STREAM_ERROR))
        ends = list(self.items.end())
        await self._save(ends)
        for end in ends:
            yield end

    async def cut_off(self) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """End what a person or the server has cut off."""
        ends = list(self.items.end())
        await self._save(ends)
        for end in ends:
            yield end
        by_server = self._state.interrupted
        failure = Failure(Reason.INTERRUPTED) if by_server else self._state.stopped
        status = Status.INTERRUPTED if by_server else Status.CANCELLED
        async for end in self._note(self._ended(status, failure)):
            yield end

    def _ended(self, status: str, failure: Failure) -> models.Run:
        """Return a row that says how the answer has ended."""
        row = models.Run(
            thread_id=self._thread.id,
            owner=self._context.owner,
            status=status,
            created_at=self._began,
            **failure_columns.of_run(failure),
        )
        row.pk = current_run.get() or row.pk
        return row

    async def _note(
        self, run: models.Run
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        self._state.noted = True
        try:
            if await database.call(endings.tells, run):
                return
        except Exception:
            # The person learns it all the same, maybe twice.
            logger.exception("The images of run %s are not known", run.pk)
        note = types.ThreadItemDoneEvent(item=endings.note_of(run, times.now()))
        await self._save([note])
        yield note

    async def _save(self, ends: list[types.ThreadStreamEvent]) -> None:
        """Save the items that are done, as far as that is possible."""
        for event in ends:
            if not isinstance(event, types.ThreadItemDoneEvent):
                continue
            try:
                await self._store.add_thread_item(
                    self._thread.id, event.item, self._context
                )
            except (NotFoundError, ClaimLost):
                # A thread that is deleted, or has a new run, gets nothing.
                return
            except Exception:
                # The reader still learns how the answer has ended.
                logger.exception("Item %s is not saved", event.item.id)
