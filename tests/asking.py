"""Requests as they come over the wire, at either door of this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.core.handlers.asgi import ASGIHandler
from django.urls import path, re_path

from chatkit_images.routing import http_urlpatterns, websocket_urlpatterns

from .client import URL

DOORS = ("view", "consumer")
JSON = {"Content-Type": "application/json"}


def door(name: str) -> Any:
    """Return the application of a door, with the middleware of the moment."""
    django = ASGIHandler()
    if name == "view":
        return django
    routes = [path("chatkit/", URLRouter(http_urlpatterns)), re_path("", django)]
    return URLRouter(routes)


@dataclass
class Answer:
    """What came back: names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the code of an error."""
        return str(self.json["error"]["code"])

    @property
    def events(self) -> list[Any]:
        """Return the events of a stream."""
        lines = self.body.decode().split("\n")
        return [json.loads(each[6:]) for each in lines if each.startswith("data: ")]

    @property
    def shared(self) -> dict[str, str]:
        """Return what it says of pages of other origins."""
        name = "access-control-"
        found = {k: v for k, v in self.headers.items() if k.startswith(name)}
        return found | {"vary": self.headers.get("vary", "")}


def scope(kind: str, address: str, headers: dict[str, str], **more: Any) -> Any:
    """Return the scope of a connection."""
    address, _, query = address.partition("?")
    pairs = {"Host": "testserver"} | headers
    return {
        "type": kind,
        "path": address,
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in pairs.items()
        ],
        "http_version": "1.1",
        "client": ("192.0.2.1", 1),
    } | more


async def ask(
    application: Any,
    method: str,
    address: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    """Send a request, and return its whole answer."""
    headers = {"Content-Length": str(len(body))} | (headers or {})
    sent = scope("http", address, headers, method=method, scheme="http")
    client = ApplicationCommunicator(application, sent)
    await client.send_input({"type": "http.request", "body": body})
    start = await client.receive_output(30)
    parts, more = [], True
    while more:
        part = await client.receive_output(30)
        parts.append(part.get("body", b""))
        more = part.get("more_body", False)
    await client.wait(30)
    names = {name.decode().lower(): v.decode() for name, v in start["headers"]}
    return Answer(start["status"], names, b"".join(parts))


async def ask_op(
    application: Any, op: str, params: Any, headers: dict[str, str] | None = None
) -> Answer:
    """Send an operation of ChatKit's."""
    body = json.dumps({"type": op, "params": params}).encode()
    return await ask(application, "POST", URL, JSON | (headers or {}), body)


async def watches(thread_id: str, headers: dict[str, str]) -> bool:
    """Return whether a WebSocket of a thread is accepted."""
    routes = URLRouter([path("chatkit/", URLRouter(websocket_urlpatterns))])
    sent = scope("websocket", f"{URL}threads/{thread_id}/", headers, scheme="ws")
    client = ApplicationCommunicator(routes, sent | {"subprotocols": []})
    await client.send_input({"type": "websocket.connect"})
    answer = await client.receive_output(30)
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await client.wait(30)
    return bool(answer["type"] == "websocket.accept")


def form(name: str, data: bytes, mime: str = "text/plain") -> tuple[Any, bytes]:
    """Return the headers and the body of an upload."""
    body = (
        b"--cut\r\n"
        b'Content-Disposition: form-data; name="file"; filename="%b"\r\n'
        b"Content-Type: %b\r\n\r\n%b\r\n--cut--\r\n"
    ) % (name.encode(), mime.encode(), data)
    return {"Content-Type": "multipart/form-data; boundary=cut"}, body
