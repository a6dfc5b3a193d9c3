"""Requests read and answers sent, as ASGI's messages."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any, TypeAlias

from .dialects import Dialect
from .script import JSON, TERMINAL, ConnectionDropped, HTTPError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Events: TypeAlias = AsyncGenerator[JSON, None]
#: Server-sent events as bytes, each with whether it is the last one.
Frames: TypeAlias = AsyncGenerator[tuple[bytes, bool], None]


class ClientDisconnected(Exception):
    """The client went away before its request was read."""


async def send_stream(events: Events, send: Send, dialect: Dialect) -> None:
    """Answer with server-sent events, as the dialect frames them."""

    async def frames() -> Frames:
        async with aclosing(events) as stream:
            async for event in stream:
                last = event.get("type", "message") in TERMINAL
                yield dialect.framed(event), last

    await send_frames(frames(), send)


async def send_frames(frames: Frames, send: Send) -> None:
    """Answer with server-sent events."""
    headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
    await start(send, 200, headers)
    last = False
    try:
        async with aclosing(frames) as stream:
            async for body, last in stream:
                # The client may hang up as soon as it has read the last event. The end
                # is sent with the event, so that this is no disconnect.
                part = {"type": "http.response.body", "body": body}
                await send(part | {"more_body": not last})
    except ConnectionDropped:
        # A server closes the connection of an application that returns early.
        return
    if not last:
        await send({"type": "http.response.body", "body": b""})


async def send_response(events: Events, send: Send) -> None:
    """Answer with the response that a stream would end with."""
    last: JSON = {}
    try:
        async for event in events:
            last = event
        if last.get("type") not in TERMINAL:
            raise ConnectionDropped
    except ConnectionDropped:
        await send_dropped(send)
        return
    if last.get("type") == "error":
        await send_error(send, HTTPError(500, last["code"], last["message"]))
    else:
        await send_json(send, 200, last["response"])


async def send_dropped(send: Send) -> None:
    """Begin an answer that has no end."""
    # A server would answer 500 for an application that returns before it has begun.
    await start(send, 200, {"content-type": "application/json"})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})


async def read(receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        ClientDisconnected: The client went away.
    """
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        data += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(data)


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def start(send: Send, status: int, headers: dict[str, str]) -> None:
    """Begin an answer."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def send_json(
    send: Send, status: int, content: JSON, headers: dict[str, str] | None = None
) -> None:
    """Answer with JSON."""
    await start(send, status, {"content-type": "application/json", **(headers or {})})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def send_error(send: Send, error: HTTPError) -> None:
    """Answer with an error, in OpenAI's form or in its own."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    content = {
        "message": error.message,
        "type": error.type or kind,
        "param": error.param,
        "code": error.code,
    }
    if isinstance(error.body, str):
        await start(send, error.status, {"content-type": "text/html", **error.headers})
        await send({"type": "http.response.body", "body": error.body.encode()})
        return
    body = {"error": content} if error.body is None else error.body
    await send_json(send, error.status, body, error.headers)
