"""Steps turned into the events of the Responses API stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from uuid import uuid4

from . import script
from .dialects import PLAIN, Dialect
from .image_calls import Studio, image_events
from .items import reasoning_events, text_events, tool_call_events
from .pauses import PAUSES, pause
from .script import JSON, TERMINAL, Step

#: Letters come this many times faster than the partial images of an image.
LETTERS_PER_PARTIAL = 30


async def stream_events(
    body: JSON, steps: Sequence[Step], studio: Studio, dialect: Dialect = PLAIN
) -> AsyncGenerator[JSON, None]:
    """Yield the numbered events of one answer, from created to completed."""
    events = _numbered(_events(body, steps, studio))
    async for event in dialect.speak(events):
        yield event
        if event.get("type") in TERMINAL:
            return


async def _numbered(events: AsyncIterator[JSON]) -> AsyncIterator[JSON]:
    number = 0
    async for event in events:
        yield {"sequence_number": number} | event
        number += 1
        if event.get("type") in TERMINAL:
            return


async def _events(
    body: JSON, steps: Sequence[Step], studio: Studio
) -> AsyncIterator[JSON]:
    response = new_response(body)
    yield {"type": "response.created", "response": dict(response)}
    yield {"type": "response.in_progress", "response": dict(response)}
    items: dict[int, JSON] = {}
    index = 0
    counts = None
    for step in steps:
        if isinstance(step, script.Usage):
            counts = step
            continue
        async for event in _step_events(step, index, body, response, studio):
            if event.get("type") == "response.output_item.added":
                index += 1
            elif event.get("type") == "response.output_item.done":
                # A script may leave the index out, as some gateways do.
                items[event.get("output_index", len(items))] = event["item"]
            yield event
    response["output"] = [items[key] for key in sorted(items)]
    response["usage"] = usage(body, response["output"], counts)
    if counts and counts.tools is not None:
        response["tool_usage"] = counts.tools
    response["status"] = "completed"
    response["completed_at"] = int(time.time())
    yield {"type": "response.completed", "response": response}


async def _step_events(
    step: Step, index: int, body: JSON, response: JSON, studio: Studio
) -> AsyncIterator[JSON]:
    if isinstance(step, script.Text):
        delay = step.delay or studio.delay / LETTERS_PER_PARTIAL
        for event in text_events(step, index):
            if event["type"] == "response.output_text.delta" and delay:
                await asyncio.sleep(delay)
            yield event
    elif isinstance(step, script.Images | script.Image | script.FailedImage):
        calls = step if isinstance(step, script.Images) else script.Images(step)
        groups = [calls]
        if calls.order == "sequential":
            groups = [script.Images(image) for image in calls.images]
        for place, group in enumerate(groups):
            async for event in image_events(group, index + place, body, studio):
                yield event
    elif isinstance(step, script.Reasoning):
        for event in reasoning_events(step, index):
            yield event
    elif isinstance(step, script.ToolCall):
        for event in tool_call_events(step, index):
            yield event
    elif isinstance(step, PAUSES):
        await pause(step)
    elif isinstance(step, script.ErrorEvent):
        error = {"code": step.code, "message": step.message, "param": step.param}
        yield {"type": "error", **error}
    elif isinstance(step, script.ResponseFailed):
        error = {"code": step.code, "message": step.message}
        failed = response | {"status": "failed", "error": error}
        yield {"type": "response.failed", "response": failed}
    elif isinstance(step, script.ResponseIncomplete):
        ended = {"status": "incomplete", "incomplete_details": {"reason": step.reason}}
        yield {"type": "response.incomplete", "response": response | ended}
    elif isinstance(step, script.Raw):
        yield step.event
    else:
        raise ValueError(f"{type(step).__name__} must be the first step of an answer.")


def new_response(body: JSON) -> JSON:
    """Return the response object as it stands before the first item."""
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body.get("model") or "loopback",
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "temperature": body.get("temperature", 1.0),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
    }


def usage(body: JSON, output: list[JSON], counts: script.Usage | None) -> JSON:
    """Return the token counts: the given ones, else about one per four letters."""
    if counts is None:
        # Images are not text: their base64 would count as hundreds of thousands of
        # tokens.
        spoken = [item | {"result": None} for item in output]
        counts = script.Usage(
            input_tokens=len(str(body.get("input") or "")[:40_000]) // 4 + 1,
            output_tokens=len(json.dumps(spoken)) // 4,
        )
    return {
        "input_tokens": counts.input_tokens,
        "input_tokens_details": {
            "cached_tokens": counts.cached_tokens,
            "cache_write_tokens": 0,
        },
        "output_tokens": counts.output_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": counts.input_tokens + counts.output_tokens,
    }
