"""The drop-in for ``chatkit.agents.stream_agent_response``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from agents import (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunResultStreaming,
)
from agents.models.fake_id import FAKE_RESPONSES_ID
from chatkit import agents as sdk
from chatkit import types
from chatkit.agents import AgentContext

from .. import failures
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from . import nested_images, open_streams, outcomes
from .tap import ResultTap
from .tool_images import ToolImages
from .tracker import ImageTracker

logger = logging.getLogger(__name__)


async def stream_agent_response(
    context: AgentContext[RequestContext],
    result: RunResultStreaming,
    *,
    converter: DjangoResponseStreamConverter | None = None,
) -> AsyncGenerator[types.ThreadStreamEvent, None]:
    """Convert a streamed run into ChatKit's events.

    This function converts images, and the SDK converts all else. However the stream
    ends, each image call ends in one final state and the model's run is over.

    Args:
        context: The agent's context.
        result: What ``Runner.run_streamed`` returned.
        converter: Stores the images; by default one for the context's thread.

    Raises:
        ImproperlyConfigured: If the thread is that of another store.
        TypeError: If the converter cannot store images.
    """
    if converter is not None and not isinstance(
        converter, DjangoResponseStreamConverter
    ):
        raise TypeError(
            "The converter of this app's stream_agent_response() must be a "
            f"DjangoResponseStreamConverter, got {type(converter).__name__}. With one "
            "of another kind, use chatkit.agents.stream_agent_response()."
        )
    if converter is None:
        converter = DjangoResponseStreamConverter(
            context.thread, context.request_context
        )
    await converter.check_thread()
    tracker = ImageTracker(context, converter)
    open_streams.note(tracker)
    tool_images = ToolImages(tracker, result)
    tracker.tool_images = tool_images
    tap = ResultTap(result, tracker, tool_images, converter.heard, converter.asked)
    tracker.close_source = tap.close_and_catch_up
    ids = ProviderIds(context)
    stream = sdk.stream_agent_response(
        context, cast("RunResultStreaming", tap), converter=converter
    )
    try:
        async with aclosing(cast("Any", stream)) as events:
            async for event in events:
                tracker.outbox.delivered(event)
                yield ids.replace(event)
        tracker.complete = True
    except (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered):
        # The SDK has removed the items of the turn, so their images are not shown.
        await tap.catch_up()
        await tracker.close(outcomes.GUARDRAIL)
        await tracker.supersede()
        tracker.complete = True
        raise
    except Exception as error:
        await tap.catch_up()
        # The SDK raises one and the same exception for each response that has failed.
        failures.attach(tracker.failure, error)
        for event in await tracker.close(outcomes.of_error(error)):
            yield event
        tracker.complete = True
        raise
    except (asyncio.CancelledError, GeneratorExit):
        await tracker.abandon(outcomes.cut_off())
        raise
    finally:
        await tap.close()
        if not tap.ran_out:
            # The SDK leaves a task that waits for the context's next event.
            await context.stream(types.ProgressUpdateEvent(text=""))
        await _note_bill(tracker)
        nested_images.warn_of_lost(tracker)
        tool_images.warn()


async def _note_bill(tracker: ImageTracker) -> None:
    """Note what a stream has used, on which its end does not depend."""
    try:
        await tracker.bill.record()
    except Exception:
        logger.exception("What an answer has used is not noted")


class ProviderIds:
    """Gives an id of the project's to messages that have none of the provider's.

    The Agents SDK names every message of a Chat Completions model alike, so the
    second would overwrite the first.
    """

    def __init__(self, context: AgentContext[RequestContext]) -> None:
        self._context = context
        self._current = ""

    def replace(self, event: types.ThreadStreamEvent) -> types.ThreadStreamEvent:
        """Return an event, with a unique id if it had the SDK's placeholder for ids."""
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
