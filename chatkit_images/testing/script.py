"""The steps a scripted answer is made of."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = dict[str, Any]

#: How often a closed gate looks whether the test has opened it, in seconds.
GATE_POLL = 0.005


#: A stream has no more events after one of these.
TERMINAL = frozenset(
    ["response.completed", "response.failed", "response.incomplete", "error"]
)


class ConnectionDropped(Exception):
    """The script wants the connection cut here."""


@dataclass(frozen=True)
class Text:
    """Say something, a few characters per delta, then what it cites.

    Args:
        annotations: What the text cites, as the API's JSON, such as
            ``{"type": "url_citation", "url": ..., "title": ..., "start_index": 0,
            "end_index": 4}``.
    """

    text: str
    chunk: int = 8
    delay: float = 0.0
    annotations: tuple[JSON, ...] = ()


@dataclass(frozen=True)
class Reasoning:
    """Think aloud in a reasoning summary."""

    summary: str
    chunk: int = 8


@dataclass(frozen=True, eq=False)
class Gate:
    """Hold the answer until the test opens the gate, from any thread."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Let the answer go on."""
        self.opened.set()

    async def wait(self) -> None:
        """Tell the test that the answer is here and wait for it to open the gate."""
        self.reached.set()
        # The test may be in another thread or event loop. Polling works from any, and
        # can be cancelled at any time.
        while not self.opened.is_set():
            await asyncio.sleep(GATE_POLL)


@dataclass(frozen=True)
class Image:
    """Draw an image, with as many previews as the request's tool asked for.

    Args:
        prompt: What to draw; the user's last text when None.
        partials: How many previews; what the tool asked for when None.
        delay: Seconds before each preview and before the image itself.
        result: False leaves the finished item without an image and without an error.
        status: What the finished item says about itself.
        data: Bytes to send instead of a drawing.
        preview: Bytes to send as each preview; `data`, or a drawing, when None.
        base: An earlier image to start from.
        gate: Held between the last preview and the image itself.
        finish: False leaves the call open, for a `Drop` or an error to follow.
        fields: More fields of the finished item, such as ``svg_usage``.
    """

    prompt: str | None = None
    partials: int | None = None
    size: str | None = None
    format: str | None = None
    quality: str | None = None
    background: str | None = None
    delay: float = 0.0
    call_id: str | None = None
    result: bool = True
    status: str = "completed"
    data: bytes | None = None
    preview: bytes | None = None
    base: bytes | None = None
    revised_prompt: str | None = None
    gate: Gate | None = None
    finish: bool = True
    fields: JSON = field(default_factory=dict)


@dataclass(frozen=True)
class FailedImage:
    """Begin an image that moderation then blocks."""

    code: str = "moderation_blocked"
    message: str = "Your request was rejected by the safety system."
    categories: tuple[str, ...] = ("violence",)
    stage: str = "output"
    partials: int = 0
    delay: float = 0.0
    call_id: str | None = None


@dataclass(frozen=True, init=False)
class Images:
    """Run several image calls in parallel, their events taking turns.

    With `order="reversed"` later calls overtake earlier ones; `"sequential"` runs one
    call after the other.
    """

    images: tuple[Image | FailedImage, ...]
    order: Literal["interleaved", "reversed", "sequential"]

    def __init__(
        self,
        *images: Image | FailedImage,
        order: Literal["interleaved", "reversed", "sequential"] = "interleaved",
    ) -> None:
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "order", order)


@dataclass(frozen=True)
class ToolCall:
    """Call one of the request's function tools."""

    name: str
    arguments: JSON = field(default_factory=dict)
    call_id: str | None = None


@dataclass(frozen=True)
class Wait:
    """Send nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Cut the connection in mid answer."""


@dataclass(frozen=True)
class ErrorEvent:
    """End the stream with an `error` event."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    param: str | None = None


@dataclass(frozen=True)
class ResponseFailed:
    """End the stream with a `response.failed` event."""

    code: str = "server_error"
    message: str = "The model failed to generate a response."


@dataclass(frozen=True)
class ResponseIncomplete:
    """End the stream with a `response.incomplete` event."""

    reason: str = "max_output_tokens"


@dataclass(frozen=True)
class HTTPError:
    """Answer with an HTTP error instead of a stream; only as the first step.

    Args:
        param: The place in the request that the error is about, such as
            ``input[0].content[1]``.
        type: The type of the error; by the status when None.
        body: The whole body instead of one like OpenAI's: JSON, or text as it is.
    """

    status: int = 500
    code: str | None = "server_error"
    message: str = "The server had an error while processing your request."
    headers: dict[str, str] = field(default_factory=dict)
    param: str | None = None
    type: str | None = None
    body: JSON | str | None = None


@dataclass(frozen=True)
class Raw:
    """Send an event as it is, with a sequence number if it has none."""

    event: JSON


@dataclass(frozen=True)
class Usage:
    """Report these token counts instead of estimated ones.

    Args:
        tools: What the response's `tool_usage` says, such as
            ``{"image_gen": {...}, "web_search": {"num_requests": 0}}``; no such field
            when None.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    tools: JSON | None = None


Step: TypeAlias = (
    Text
    | Reasoning
    | Gate
    | Image
    | FailedImage
    | Images
    | ToolCall
    | Wait
    | Drop
    | ErrorEvent
    | ResponseFailed
    | ResponseIncomplete
    | HTTPError
    | Raw
    | Usage
)
