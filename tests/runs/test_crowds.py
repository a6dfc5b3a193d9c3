"""Many requests that come together."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import AsyncClient

from chatkit_images.conf import settings
from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.runs import claims
from chatkit_images.testing import LoopbackAPI
from chatkit_images.views import admission
from tests.client import ask_asgi, message, receive_stream


async def say(session: bytes) -> bytes:
    """Return the stream that answers a first message, by the consumer."""
    params = {"input": message("hello")}
    application = ChatKitConsumer.as_asgi()
    cookie = b"sessionid=" + session
    browser = await ask_asgi(application, "threads.create", params, cookie)
    return await receive_stream(browser)


async def test_the_first_has_its_run_before_the_last_is_admitted(
    ann: User, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = 6 * settings.DATABASE_THREADS
    seen: list[str] = []
    admit, claim = admission.admit, claims.claim

    def admitting(request: HttpRequest) -> Any:
        seen.append("admit")
        time.sleep(0.02)
        return admit(request)

    def claiming(*args: Any) -> Any:
        seen.append("claim")
        return claim(*args)

    monkeypatch.setattr(admission, "admit", admitting)
    monkeypatch.setattr(claims, "claim", claiming)
    client = AsyncClient()
    await client.aforce_login(ann)
    session = client.cookies["sessionid"].value.encode()
    streams = await asyncio.gather(*(say(session) for _ in range(crowd)))
    assert all(b"Tell me what to draw" in stream for stream in streams)
    assert (seen.count("admit"), seen.count("claim")) == (crowd, crowd)
    assert "admit" in seen[seen.index("claim") :]
