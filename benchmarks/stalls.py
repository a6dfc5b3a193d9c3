"""Stalls of the event loop by this app's code, without the SDK's parsing of JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, cast

import measure
import sample_images
from agents import RawResponsesStreamEvent, RunResultStreaming
from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from chatkit_images.agents import stream_agent_response
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.models import Run
from chatkit_images.run_state import current_run
from chatkit_images.store import DjangoStore

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
# Seconds before each image. A model takes longer; this lets each preview be stored,
# so that what that costs is seen too.
PAUSE = 1.0
CONTEXT = RequestContext(None, "visitor:benchmark", "http://testserver")


class PreparedResult:
    """Stands in for a streamed run; its events were parsed beforehand."""

    run_loop_task = None
    is_complete = False

    def __init__(self, events: list[Any], pause: float = PAUSE) -> None:
        self._events = events
        self._pause = pause

    async def stream_events(self) -> AsyncIterator[RawResponsesStreamEvent]:
        """Yield the events."""
        for event in self._events:
            if "image_generation_call" in event.type or "done" in event.type:
                await asyncio.sleep(self._pause)
            yield RawResponsesStreamEvent(data=event)

    def cancel(self, mode: str = "immediate") -> None:
        """Do nothing: the events end by themselves."""


async def prepared(size: str) -> list[Any]:
    """Return the events of an answer as the OpenAI SDK parses them."""
    return [EVENT.validate_python(event) for event in await sample_images.events(size)]


async def measure_stalls(cell: dict[str, Any]) -> dict[str, float]:
    """Return the longest stall while prepared events become ChatKit's."""
    parsed = await prepared(cell["size"])
    store = DjangoStore()
    converse = answer if cell["variant"] == "app" else _floor
    pause = cell.get("pause", PAUSE)
    threads = []
    for number in range(cell["conversations"] + 1):
        thread = types.ThreadMetadata(id=f"thr_{number}", created_at=datetime.now())
        await store.save_thread(thread, CONTEXT)
        threads.append(thread)
    # The first conversation of a process compiles and connects; it is not measured.
    tiny = await prepared("tiny")
    await converse(tiny, threads.pop(), store, pause=pause)
    async with measure.LoopProbe() as probe:
        await asyncio.gather(
            *(
                converse(parsed, thread, store, pause * number / len(threads), pause)
                for number, thread in enumerate(threads)
            )
        )
    return {"stall": probe.longest, "collection": probe.longest_collection}


async def answer(
    events: list[Any],
    thread: types.ThreadMetadata,
    store: DjangoStore,
    delay: float = 0,
    pause: float = PAUSE,
) -> None:
    # Spread over the pause: people do not ask at the same moment all the time.
    await asyncio.sleep(delay)
    run = await Run.objects.acreate(thread_id=thread.id, owner=CONTEXT.owner)
    current_run.set(run.pk)
    agent_context = AgentContext(thread=thread, store=store, request_context=CONTEXT)
    result = cast("RunResultStreaming", PreparedResult(events, pause))
    converter = DjangoResponseStreamConverter(thread, CONTEXT, sample_images.PARTIALS)
    done = False
    async for event in stream_agent_response(
        agent_context, result, converter=converter
    ):
        if event.type == "thread.item.done":
            done |= event.item.type == "generated_image"
    await Run.objects.filter(pk=run.pk).aupdate(status=Run.Status.COMPLETED)
    if not done:
        raise RuntimeError("The stream ended without an image.")


async def _floor(
    events: list[Any],
    thread: types.ThreadMetadata,
    store: DjangoStore,
    delay: float = 0,
    pause: float = PAUSE,
) -> None:
    await asyncio.sleep(delay)
    async for _ in PreparedResult(events, pause).stream_events():
        pass
