"""Many requests that come together."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import AsyncClient

from chatkit_images.conf import settings
from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.runs import claims
from chatkit_images.testing import LoopbackAPI
from chatkit_images.views import doors
from tests.client import URL, message

TOKEN = b"a" * 32


async def say(cookie: bytes) -> bytes:
    """Return the stream that answers a first message, by the consumer."""
    headers = [
        (b"host", b"testserver"),
        (b"content-type", b"application/json"),
        (b"cookie", b"csrftoken=" + TOKEN + b"; sessionid=" + cookie),
        (b"x-csrftoken", TOKEN),
    ]
    scope = {"type": "http", "method": "POST", "path": URL, "headers": headers}
    scope |= {"query_string": b"", "scheme": "http", "http_version": "1.1"}
    request = {"type": "threads.create", "params": {"input": message("hello")}}
    browser = ApplicationCommunicator(ChatKitConsumer.as_asgi(), scope)
    body = json.dumps(request).encode()
    await browser.send_input({"type": "http.request", "body": body})
    start = await browser.receive_output(30)
    assert start["status"] == 200
    stream, more = b"", True
    while more:
        part = await browser.receive_output(30)
        stream, more = stream + part["body"], part.get("more_body", False)
    await browser.wait()
    return stream


async def test_the_first_has_its_run_before_the_last_is_admitted(
    ann: User, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = 6 * settings.DATABASE_THREADS
    seen: list[str] = []
    admit, claim = doors.admit, claims.claim

    def admitting(request: HttpRequest) -> Any:
        seen.append("admit")
        time.sleep(0.02)
        return admit(request)

    def claiming(*args: Any) -> Any:
        seen.append("claim")
        return claim(*args)

    monkeypatch.setattr(doors, "admit", admitting)
    monkeypatch.setattr(claims, "claim", claiming)
    client = AsyncClient()
    await client.aforce_login(ann)
    cookie = client.cookies["sessionid"].value.encode()
    streams = await asyncio.gather(*(say(cookie) for _ in range(crowd)))
    assert all(b"Tell me what to draw" in stream for stream in streams)
    assert (seen.count("admit"), seen.count("claim")) == (crowd, crowd)
    assert "admit" in seen[seen.index("claim") :]
