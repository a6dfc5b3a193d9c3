"""Steps turned into the events of the Responses API stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from uuid import uuid4

from . import script
from .image_calls import Studio, image_events
from .script import JSON, Step

#: A stream has no more events after one of these.
TERMINAL = frozenset(
    ["response.completed", "response.failed", "response.incomplete", "error"]
)

#: Letters come this many times faster than the partial images of an image.
LETTERS_PER_PARTIAL = 30


class ConnectionDropped(Exception):
    """The script wants the connection cut here."""


async def stream_events(
    body: JSON, steps: Sequence[Step], studio: Studio
) -> AsyncGenerator[JSON, None]:
    """Yield the numbered events of one answer, from created to completed."""
    number = 0
    async for event in _events(body, steps, studio):
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
    response["status"] = "completed"
    response["completed_at"] = int(time.time())
    yield {"type": "response.completed", "response": response}


async def _step_events(
    step: Step, index: int, body: JSON, response: JSON, studio: Studio
) -> AsyncIterator[JSON]:
    if isinstance(step, script.Text):
        pause = step.delay or studio.delay / LETTERS_PER_PARTIAL
        for event in text_events(step, index):
            if event["type"] == "response.output_text.delta" and pause:
                await asyncio.sleep(pause)
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
    elif isinstance(step, script.Wait):
        await asyncio.sleep(step.seconds)
    elif isinstance(step, script.Gate):
        await step.wait()
    elif isinstance(step, script.Drop):
        raise ConnectionDropped
    elif isinstance(step, script.ErrorEvent):
        yield {
            "type": "error",
            "code": step.code,
            "message": step.message,
            "param": None,
        }
    elif isinstance(step, script.ResponseFailed):
        error = {"code": step.code, "message": step.message}
        failed = response | {"status": "failed", "error": error}
        yield {"type": "response.failed", "response": failed}
    elif isinstance(step, script.Raw):
        yield step.event
    else:
        raise ValueError(f"{type(step).__name__} must be the first step of an answer.")


def text_events(step: script.Text, index: int) -> Iterator[JSON]:
    """Yield the events of an assistant message."""
    item: JSON = {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    part: JSON = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    yield _added(item, index)
    yield {"type": "response.content_part.added", **at, "part": part}
    for delta in _chunks(step.text, step.chunk):
        yield {
            "type": "response.output_text.delta",
            **at,
            "delta": delta,
            "logprobs": [],
        }
    for place, annotation in enumerate(step.annotations):
        yield {
            "type": "response.output_text.annotation.added",
            **at,
            "annotation_index": place,
            "annotation": annotation,
        }
    part = part | {"text": step.text, "annotations": list(step.annotations)}
    yield {
        "type": "response.output_text.done",
        **at,
        "text": step.text,
        "logprobs": [],
    }
    yield {"type": "response.content_part.done", **at, "part": part}
    yield _done(item | {"status": "completed", "content": [part]}, index)


def reasoning_events(step: script.Reasoning, index: int) -> Iterator[JSON]:
    """Yield the events of a reasoning item with one summary part."""
    item: JSON = {"id": f"rs_{uuid4().hex}", "type": "reasoning", "summary": []}
    part = {"type": "summary_text", "text": ""}
    at = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    event = "response.reasoning_summary"
    yield _added(item, index)
    yield {"type": f"{event}_part.added", **at, "part": part}
    for delta in _chunks(step.summary, step.chunk):
        yield {"type": f"{event}_text.delta", **at, "delta": delta}
    part = part | {"text": step.summary}
    yield {"type": f"{event}_text.done", **at, "text": step.summary}
    yield {"type": f"{event}_part.done", **at, "part": part}
    yield _done(item | {"summary": [part]}, index)


def tool_call_events(step: script.ToolCall, index: int) -> Iterator[JSON]:
    """Yield the events of a function call."""
    arguments = json.dumps(step.arguments)
    item: JSON = {
        "id": f"fc_{uuid4().hex}",
        "type": "function_call",
        "status": "in_progress",
        "call_id": step.call_id or f"call_{uuid4().hex}",
        "name": step.name,
        "arguments": "",
    }
    at = {"item_id": item["id"], "output_index": index}
    event = "response.function_call_arguments"
    yield _added(item, index)
    for delta in _chunks(arguments, 8):
        yield {"type": f"{event}.delta", **at, "delta": delta}
    yield {"type": f"{event}.done", **at, "arguments": arguments}
    yield _done(item | {"status": "completed", "arguments": arguments}, index)


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


def _added(item: JSON, index: int) -> JSON:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(item: JSON, index: int) -> JSON:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _chunks(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))
