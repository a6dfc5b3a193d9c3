"""A visitor keeps the session in which the first request was made, by every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from channels.sessions import SessionMiddlewareStack

from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.views import ChatKitView
from tests.client import ask_asgi


async def ask(application: Any, cookie: bytes = b"") -> tuple[int, bytes]:
    """Return status and session cookie of the answer to a request."""
    browser = await ask_asgi(application, "threads.list", {}, cookie)
    start = await browser.receive_output(30)
    await browser.receive_output(30)
    cookies = [v for k, v in start["headers"] if k.lower() == b"set-cookie"]
    named = [c.partition(b";")[0] for c in cookies if c.startswith(b"sessionid=")]
    return start["status"], (named or [b""])[0]


@pytest.mark.parametrize("stack", [SessionMiddlewareStack, lambda inner: inner])
async def test_a_visitor_has_one_session(
    transactional_db: None, settings: Any, stack: Callable[[Any], Any]
) -> None:
    settings.CHATKIT_IMAGES |= {"ALLOW_ANONYMOUS": True}
    application = stack(ChatKitConsumer.as_asgi(ChatKitView))
    status, cookie = await ask(application)
    assert (status, bool(cookie)) == (200, True)
    # Once it has it, nothing changes.
    assert await ask(application, cookie) == (200, b"")
