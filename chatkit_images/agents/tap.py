"""A tap between the Agents SDK's run and ChatKit's function: it sees all events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunResultStreaming,
    StreamEvent,
)

from ..timing import Asked
from . import tool_outputs
from .citations import make_convertible
from .fitting import Fitting
from .image_answers import is_complete
from .tool_images import ToolImages
from .tracker import ImageTracker
from .words import Words

# Events that a gateway may send although its provider has sent nothing.
ERRORS = ("error", "response.failed")
# What tells whose model makes what follows.
UPDATED = "agent_updated_stream_event"
GUARDRAILS = (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered)


class ResultTap:
    """Stands in for a streamed run and takes the image events out of it.

    Args:
        result: The run.
        tracker: Takes the image events.
        tool_images: Takes the images that tools return.
        heard: Called with each event of the provider that is no error.
        asked: Notes when events come.
    """

    def __init__(
        self,
        result: RunResultStreaming,
        tracker: ImageTracker,
        tool_images: ToolImages,
        heard: Callable[[], None] | None = None,
        asked: Asked | None = None,
    ) -> None:
        self._result = result
        self._asked = asked or Asked()
        if self._asked.requested_at is None:
            self._asked.ask()
        self._heard = heard or (lambda: None)
        self._tracker = tracker
        self._tool_images = tool_images
        self._events = result.stream_events()
        self._step: asyncio.Task[Any] | None = None
        self._unseen: deque[StreamEvent] = deque()
        self._kinds: set[str] = set()
        self._words = Words()
        self._fitting = Fitting()
        self._closed = False
        # What has ended the run.
        self._failure: Exception | None = None
        # Whether the run has ended by itself.
        self.ran_out = False
        self._watch(getattr(result, "_event_queue", None))

    def stream_events(self) -> AsyncIterator[StreamEvent]:
        """Return the run's events without those of images, which the tracker takes."""
        return self

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        # The SDK asks for each event in a task of its own and does not end that task.
        self._step = asyncio.current_task()
        try:
            while True:
                event = await self._next()
                if self._is_new(event):
                    if not self._fitting.take(event):
                        continue
                    self._words.mend(event)
                    self._judge(event)
                is_image = await self._tracker.handle(event)
                await self._tool_images.take_event(event)
                # After the event is handled, because handling may be cancelled.
                self._note(event)
                if not is_image and make_convertible(event):
                    return event
        except StopAsyncIteration:
            self.ran_out = True
            if self._step is not None:
                self._step.add_done_callback(_ask)
            await self._tool_images.settle()
            await self._tracker.end_calls()
            raise

    async def _next(self) -> StreamEvent:
        """Return the next event of the run, or the exception that has ended it.

        The SDK drops the events that wait when a run fails. They come first here, as
        words are not sent again. A guardrail takes its turn back, so they are dropped.
        """
        if self._failure is None:
            try:
                return await anext(self._events)
            except (StopAsyncIteration, *GUARDRAILS):
                raise
            except Exception as failure:
                self._failure = failure
        if not self._unseen:
            raise self._failure
        return self._unseen[0]

    async def close_and_catch_up(self) -> None:
        """End the model's run and hand the tracker the events that have arrived."""
        await self.close()
        await self.catch_up()

    async def catch_up(self) -> None:
        """Hand the tracker the events that have arrived and were not handed out.

        The SDK drops the events that wait when a run fails. They are not sent again.
        """
        unseen, self._unseen = self._unseen, deque()
        await self._tracker.catch_up(unseen)
        await self._tool_images.catch_up(unseen)

    def _watch(self, queue: asyncio.Queue[Any] | None) -> None:
        """See the model's events as they arrive, and keep each until it is handed out.

        The SDK has no public way to the queue. Without it two things get worse: events
        are lost when a run fails, and an answer of images alone may be requested twice.
        """
        if queue is None:
            return
        put = queue.put_nowait

        def keep(item: Any) -> None:
            if isinstance(item, StreamEvent):
                if not self._fitting.take(item):
                    return
                self._words.mend(item)
            if getattr(item, "type", "") == "raw_response_event":
                self._unseen.append(item)
                self._judge(item)
            elif isinstance(item, StreamEvent):
                if item.type == UPDATED or tool_outputs.of_event(item):
                    self._unseen.append(item)
                self._asked.hear()
            put(item)

        queue.put_nowait = keep  # type: ignore[method-assign]

    def _is_new(self, event: StreamEvent) -> bool:
        """Whether an event arrived before its queue was watched."""
        return event.type == "raw_response_event" and not any(
            unseen is event for unseen in self._unseen
        )

    def _judge(self, event: StreamEvent) -> None:
        """End the run after an answer that is images and nothing else.

        The Agents SDK takes an answer without a message for an unfinished one and sends
        another request, which costs another image. It may do so before the events are
        read, so they are judged as they arrive.
        """
        if self._closed or event.type != "raw_response_event":
            return
        data = event.data
        response = getattr(data, "response", None)
        self._asked.hear(data.type, getattr(response, "_request_id", None))
        if data.type not in ERRORS:
            self._heard()
        if data.type == "response.output_item.done":
            self._kinds.add(data.item.type)
        elif data.type == "response.completed":
            # Some gateways leave the output of the end empty.
            kinds = {item.type for item in data.response.output or ()} or self._kinds
            if is_complete(kinds):
                self._result.cancel(mode="after_turn")
            self._kinds = set()

    def _note(self, event: StreamEvent) -> None:
        """Forget an event that is handed out, and whatever was put before it."""
        for index, unseen in enumerate(self._unseen):
            if unseen is event:
                for _ in range(index + 1):
                    self._unseen.popleft()
                return

    async def close(self) -> None:
        """End the model's run, if it has not ended, and what waits for it."""
        await self._tool_images.close()
        if self.ran_out or self._closed:
            return
        self._closed = True
        self._result.cancel()
        loop_task = getattr(self._result, "run_loop_task", None)
        if self._step is not None and self._step is not asyncio.current_task():
            self._step.cancel()
        left = {task for task in (self._step, loop_task) if task and not task.done()}
        if left := left - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=5)


def _ask(step: asyncio.Task[Any]) -> None:
    """Retrieve how a step ended. If the SDK does not, asyncio logs a warning."""
    if not step.cancelled():
        step.exception()
