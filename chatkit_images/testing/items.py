"""The wire events of messages, reasoning and calls of functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

from . import script
from .script import JSON


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


def _added(item: JSON, index: int) -> JSON:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(item: JSON, index: int) -> JSON:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _chunks(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))
