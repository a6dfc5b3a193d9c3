"""The drop-in for ``chatkit.agents.stream_agent_response``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from agents import (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunResultStreaming,
    StreamEvent,
)
from agents.models.fake_id import FAKE_RESPONSES_ID
from chatkit import agents as sdk
from chatkit import types
from chatkit.agents import AgentContext

from .. import database
from ..context import RequestContext, current_run
from ..converters import DjangoResponseStreamConverter
from ..models import GeneratedImage, Run
from ..rows import payloads
from .tracker import ImageTracker, cut_off_status, trackers

Status = GeneratedImage.Status


async def stream_agent_response(
    context: AgentContext[RequestContext],
    result: RunResultStreaming,
    *,
    converter: DjangoResponseStreamConverter | None = None,
) -> AsyncGenerator[types.ThreadStreamEvent, None]:
    """Convert a streamed run into ChatKit's events.

    Images are this function's, all else is the SDK's. However the stream ends,
    each image call ends in one final state and the model's run is over.

    Args:
        context: The agent's context.
        result: What ``Runner.run_streamed`` returned.
        converter: Stores the images; by default one for the context's thread.

    Raises:
        TypeError: If the converter cannot store images.
    """
    if converter is not None and not isinstance(
        converter, DjangoResponseStreamConverter
    ):
        raise TypeError(
            "converter must be a DjangoResponseStreamConverter, got "
            f"{type(converter).__name__}."
        )
    if converter is None:
        converter = DjangoResponseStreamConverter(
            context.thread, context.request_context
        )
    tracker = ImageTracker(context, converter)
    if (siblings := trackers.get()) is not None:
        siblings.append(tracker)
    tap = ResultTap(result, tracker)
    tracker.drain = tap.drain
    ids = ProviderIds(context)
    stream = sdk.stream_agent_response(
        context, cast("RunResultStreaming", tap), converter=converter
    )
    try:
        async with aclosing(cast("Any", stream)) as events:
            async for event in events:
                tracker.delivered(event)
                yield ids.replace(event)
        tracker.complete = True
    except (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered):
        # The SDK has taken the items back; nothing of them is shown.
        await tap.catch_up()
        await tracker.settle(Status.BLOCKED, "guardrail", "A guardrail tripped.")
        await tracker.withdraw()
        tracker.complete = True
        raise
    except Exception as error:
        await tap.catch_up()
        code, message = tracker.failure or (type(error).__name__, str(error))
        for event in await tracker.settle(Status.FAILED, code, message):
            yield event
        tracker.complete = True
        raise
    except (asyncio.CancelledError, GeneratorExit):
        await tracker.abandon(cut_off_status())
        raise
    finally:
        await tap.close()
        if not tap.ran_out:
            # The SDK leaves a task behind that waits for the context's next event.
            await context.stream(types.ProgressUpdateEvent(text=""))
        await _record(tracker)


class ResultTap:
    """Stands in for a streamed run and takes the image events out of it."""

    def __init__(self, result: RunResultStreaming, tracker: ImageTracker) -> None:
        self._result = result
        self._tracker = tracker
        self._events = result.stream_events()
        self._step: asyncio.Task[Any] | None = None
        self._unseen: deque[StreamEvent] = deque()
        self._closed = False
        # Whether the run has ended by itself.
        self.ran_out = False
        self._watch(getattr(result, "_event_queue", None))

    def stream_events(self) -> AsyncIterator[StreamEvent]:
        """Return the run's events, of which the SDK sees all but the images'."""
        return self

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        # The SDK steps each event in a task of its own and leaves it behind.
        self._step = asyncio.current_task()
        try:
            while True:
                event = await anext(self._events)
                if _pictures_are_the_answer(event):
                    self._result.cancel(mode="after_turn")
                is_image = await self._tracker.handle(event)
                # Not before: this may have been cancelled.
                self._note(event)
                if not is_image:
                    return event
        except StopAsyncIteration:
            self.ran_out = True
            if self._step is not None:
                self._step.add_done_callback(_ask)
            await self._tracker.finish()
            raise

    async def drain(self) -> None:
        """End the model's run and hand the tracker what has arrived of it."""
        await self.close()
        await self.catch_up()

    async def catch_up(self) -> None:
        """Hand the tracker what arrived and was not handed out: it is not sent again.

        The SDK throws the events away that wait when a run fails.
        """
        unseen, self._unseen = self._unseen, deque()
        await self._tracker.catch_up(unseen)

    def _watch(self, queue: asyncio.Queue[Any] | None) -> None:
        """Keep the model's events until they are handed out.

        There is no public way to them. Without the queue some are lost when a run
        fails, and nothing else.
        """
        if queue is None:
            return
        put = queue.put_nowait

        def keep(item: Any) -> None:
            if getattr(item, "type", "") == "raw_response_event":
                self._unseen.append(item)
            put(item)

        queue.put_nowait = keep  # type: ignore[method-assign]

    def _note(self, event: StreamEvent) -> None:
        """Forget an event that is handed out, and whatever was put before it."""
        for place, unseen in enumerate(self._unseen):
            if unseen is event:
                for _ in range(place + 1):
                    self._unseen.popleft()
                return

    async def close(self) -> None:
        """End the model's run, if it has not ended, and what waits for it."""
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
    """Ask a step how it ended: the SDK may not, and asyncio would complain of that."""
    if not step.cancelled():
        step.exception()


class ProviderIds:
    """Gives messages without an id of the provider's one of the project's.

    The Agents SDK names every message of a Chat Completions model alike, so the
    second would overwrite the first.
    """

    def __init__(self, context: AgentContext[RequestContext]) -> None:
        self._context = context
        self._current = ""

    def replace(self, event: types.ThreadStreamEvent) -> types.ThreadStreamEvent:
        """Return an event, with a unique id if it had the placeholder."""
        if isinstance(event, types.ThreadItemUpdatedEvent):
            if event.item_id == FAKE_RESPONSES_ID:
                return event.model_copy(update={"item_id": self._current})
        elif (
            isinstance(event, types.ThreadItemAddedEvent | types.ThreadItemDoneEvent)
            and event.item.id == FAKE_RESPONSES_ID
        ):
            if isinstance(event, types.ThreadItemAddedEvent) or not self._current:
                self._current = self._context.generate_id("message")
            item = event.item.model_copy(update={"id": self._current})
            return event.model_copy(update={"item": item})
        return event


def _pictures_are_the_answer(event: StreamEvent) -> bool:
    """Whether the model has answered with images and nothing else.

    The Agents SDK takes an answer without a message for an unfinished one and asks
    again, which costs another image.
    """
    if event.type != "raw_response_event" or event.data.type != "response.completed":
        return False
    kinds = {item.type for item in event.data.response.output or ()} - {"reasoning"}
    return kinds == {"image_generation_call"}


async def _record(tracker: ImageTracker) -> None:
    if not tracker.response_id:
        return
    if (run_id := current_run.get()) is not None:
        said = {"response_id": tracker.response_id, "usage": tracker.usage}
        await database.call(
            Run.objects.filter(pk=run_id).update, **payloads.columns(Run, said)
        )
    await tracker.record_usage()
