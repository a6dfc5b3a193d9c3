"""What each server runs: the example project's URLconf, and a flood of bytes."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

from django.core.asgi import get_asgi_application  # noqa: E402

MEGABYTE = 2**20
FLOOD = 64
pages = get_asgi_application()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``/flood/`` with more than a socket takes, ``/sink/`` after the body."""
    if scope["type"] == "http" and scope["path"] == "/flood/":
        await flood(send)
    elif scope["type"] == "http" and scope["path"] == "/sink/":
        await sink(receive, send)
    else:
        await pages(scope, receive, send)


async def flood(send: Any) -> None:
    """Send as fast as the server takes it, to a client that may read nothing."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(FLOOD):
        part = {"type": "http.response.body", "body": bytes(MEGABYTE)}
        await send(part | {"more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def sink(receive: Any, send: Any) -> None:
    """Read a body and forget it."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"read"})
