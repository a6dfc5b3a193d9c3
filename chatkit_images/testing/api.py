"""An ASGI application that answers like OpenAI's API."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    MutableMapping,
    Sequence,
)
from contextlib import aclosing
from typing import Any, TypeAlias

from .drawing import draw
from .image_calls import Draw, Studio
from .model import default_model
from .script import JSON, HTTPError, Step
from .wire import TERMINAL, ConnectionDropped, stream_events

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Events: TypeAlias = AsyncGenerator[JSON, None]
Model: TypeAlias = Callable[[JSON], Sequence[Step]]

#: How many request bodies are remembered; they may carry whole images.
REMEMBERED = 200


class ClientDisconnected(Exception):
    """The client went away before its request was read."""


class LoopbackAPI:
    """Speak OpenAI's wire format and draw images instead of generating them.

    Routes are matched by the end of the path, so the application can be mounted under
    any prefix.

    Args:
        delay: Seconds before each preview of an image whose step names no delay.
        model: What answers when nothing is queued with `respond_with`.
        max_side: Longest side of a drawing in pixels, whatever size was asked for.
        draw: What draws instead of ``chatkit_images.testing.draw``; it is called with
            the same arguments, in a thread.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        model: Model | None = None,
        max_side: int = 768,
        draw: Draw = draw,
    ) -> None:
        self.delay = delay
        self.model: Model = model or default_model
        self.max_side = max_side
        self.draw = draw
        self._lock = threading.Lock()
        self._queue: deque[tuple[Step, ...]] = deque()
        self.requests: list[JSON] = []
        self.disconnects = 0
        self.transcript = "a red fox in the snow"

    def respond_with(self, *steps: Step) -> None:
        """Queue one scripted answer; answers are given in the order queued."""
        if any(isinstance(step, HTTPError) for step in steps[1:]):
            raise ValueError("HTTPError must be the first step of an answer.")
        with self._lock:
            self._queue.append(steps)

    def reset(self) -> None:
        """Forget queued answers, received requests and counted disconnects."""
        with self._lock:
            self._queue.clear()
            self.requests.clear()
            self.disconnects = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            raise ValueError(f"LoopbackAPI only speaks HTTP, got {scope['type']!r}.")
        try:
            data = await _read(receive)
        except ClientDisconnected:
            return
        path = f"{scope['method']} {scope['path'].rstrip('/')}"
        if re.fullmatch(r"POST .*/responses", path):
            await self._responses(data, receive, send)
        elif re.fullmatch(r"POST .*/audio/transcriptions", path):
            await _send_json(send, 200, {"text": self.transcript})
        elif re.fullmatch(r"GET .*/models", path):
            model = {"id": "loopback", "object": "model", "created": 0}
            models = [model | {"owned_by": "chatkit-images"}]
            await _send_json(send, 200, {"object": "list", "data": models})
        else:
            await _send_error(
                send, HTTPError(404, "unknown_url", f"Invalid URL ({path})")
            )

    async def _responses(self, data: bytes, receive: Receive, send: Send) -> None:
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            message = "The body of the request is not a JSON object."
            await _send_error(send, HTTPError(400, "invalid_json", message))
            return
        steps = self._next_steps(body)
        if steps and isinstance(steps[0], HTTPError):
            await _send_error(send, steps[0])
            return
        studio = Studio(self.draw, self.max_side, self.delay)
        events = stream_events(body, steps, studio)
        answer = _send_stream if body.get("stream") else _send_response
        await self._until_disconnect(answer(events, send), receive)

    def _next_steps(self, body: JSON) -> Sequence[Step]:
        with self._lock:
            self.requests.append(body)
            del self.requests[:-REMEMBERED]
            if self._queue:
                return self._queue.popleft()
        return self.model(body)

    async def _until_disconnect(
        self, answer: Awaitable[None], receive: Receive
    ) -> None:
        answering = asyncio.ensure_future(answer)
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait(
                {answering, leaving}, return_when=asyncio.FIRST_COMPLETED
            )
            if answering.done():
                answering.result()
            else:
                with self._lock:
                    self.disconnects += 1
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)


async def _send_stream(events: Events, send: Send) -> None:
    headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
    await _start(send, 200, headers)
    try:
        async with aclosing(events) as stream:
            async for event in stream:
                kind = event.get("type", "message")
                text = f"event: {kind}\ndata: {json.dumps(event)}\n\n"
                # The client may hang up as soon as it has read the terminal event. The
                # end is sent with the event, so that this is no disconnect.
                await send(
                    {
                        "type": "http.response.body",
                        "body": text.encode(),
                        "more_body": kind not in TERMINAL,
                    }
                )
    except ConnectionDropped:
        # A server closes the connection of an application that returns early.
        return


async def _send_response(events: Events, send: Send) -> None:
    last: JSON = {}
    try:
        async for event in events:
            last = event
    except ConnectionDropped:
        # A server would answer 500 for an application that returns before it has begun.
        await _start(send, 200, {"content-type": "application/json"})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        return
    if last.get("type") == "error":
        await _send_error(send, HTTPError(500, last["code"], last["message"]))
    else:
        await _send_json(send, 200, last["response"])


async def _read(receive: Receive) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        data += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(data)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _send_json(
    send: Send, status: int, content: JSON, headers: dict[str, str] | None = None
) -> None:
    await _start(send, status, {"content-type": "application/json", **(headers or {})})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def _send_error(send: Send, error: HTTPError) -> None:
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    content = {
        "message": error.message,
        "type": kind,
        "param": None,
        "code": error.code,
    }
    await _send_json(send, error.status, {"error": content}, error.headers)
