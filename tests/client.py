"""A ChatKit client for tests, on Django's asynchronous test client."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.test import AsyncClient

URL = "/chatkit/"
TOKEN = b"a" * 32


class ChatClient(AsyncClient):
    """Speaks ChatKit's protocol with the application in this process."""

    async def request_op(self, op: str, params: Any, **extra: Any) -> Any:
        """Return the response to a request."""
        body = json.dumps({"type": op, "params": params})
        return await self.post(URL, body, content_type="application/json", **extra)

    async def call(self, op: str, **params: Any) -> Any:
        """Return the JSON that a request is answered with."""
        response = await self.request_op(op, params)
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    async def stream(self, op: str, **params: Any) -> list[dict[str, Any]]:
        """Return every event of a streaming request."""
        response = await self.request_op(op, params)
        assert response.status_code == 200, response.content
        return [event async for event in read_events(response)]

    async def say(
        self, text: str, thread_id: str | None = None, attachments: Any = ()
    ) -> list[dict[str, Any]]:
        """Send a message and return every event of the answer."""
        params: dict[str, Any] = {"input": message(text, attachments)}
        if thread_id is None:
            return await self.stream("threads.create", **params)
        return await self.stream(
            "threads.add_user_message", thread_id=thread_id, **params
        )


async def ask_asgi(
    application: Any,
    op: str,
    params: Any,
    cookie: bytes = b"",
    tenant: bytes = b"",
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    metadata: Any = None,
) -> ApplicationCommunicator:
    """Send a request to an ASGI application, whose answer the caller receives."""
    sent = [
        (b"host", b"testserver"),
        (b"content-type", b"application/json"),
        (b"cookie", b"csrftoken=" + TOKEN + b"; " + cookie),
        (b"x-csrftoken", TOKEN),
        (b"x-tenant", tenant),
        *headers,
    ]
    scope = {"type": "http", "method": "POST", "path": URL, "headers": sent}
    scope |= {"query_string": b"", "scheme": "http", "http_version": "1.1"}
    browser = ApplicationCommunicator(application, scope)
    asked = {"type": op, "params": params, "metadata": metadata or {}}
    body = json.dumps(asked).encode()
    await browser.send_input({"type": "http.request", "body": body})
    return browser


async def receive_stream(browser: ApplicationCommunicator) -> bytes:
    """Return the whole body of an answer that must be a stream."""
    start = await browser.receive_output(30)
    assert start["status"] == 200
    stream, more = b"", True
    while more:
        part = await browser.receive_output(30)
        stream, more = stream + part.get("body", b""), part.get("more_body", False)
    await browser.wait()
    return stream


def message(text: str, attachments: Any = ()) -> dict[str, Any]:
    """Return ChatKit's input of a user message."""
    return {
        "content": [{"type": "input_text", "text": text}],
        "attachments": list(attachments),
        "quoted_text": None,
        "inference_options": {},
    }


async def read_events(response: Any) -> Any:
    """Yield the events of a streaming response."""
    buffer = b""
    async for chunk in response.streaming_content:
        buffer += chunk
        while b"\n\n" in buffer:
            frame, _, buffer = buffer.partition(b"\n\n")
            if frame.startswith(b"data: "):
                yield json.loads(frame[len(b"data: ") :])
    assert not buffer, "the stream ended inside a frame"


def of_type(events: list[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    """Return the events of some types."""
    return [event for event in events if event["type"] in types]


def done_items(events: list[dict[str, Any]], item_type: str) -> list[dict[str, Any]]:
    """Return the finished items of a type."""
    return [
        event["item"]
        for event in of_type(events, "thread.item.done")
        if event["item"]["type"] == item_type
    ]


def thread_id(events: list[dict[str, Any]]) -> str:
    """Return the id of the thread that a stream has made."""
    (created,) = of_type(events, "thread.created")
    return str(created["thread"]["id"])
