"""The application that the server processes run, and probes of the server itself."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

from tests.asgi import application as django_application

# Not before Django is set up.
from chatkit_images.runs import LIVE  # isort: skip

killed = 0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``/deaf/`` as an application that does not listen for disconnects.

    ``/probe/`` says what is going on in the process.
    """
    if scope["type"] == "http" and scope["path"].startswith("/deaf/"):
        await deaf(scope, send)
    elif scope["type"] == "http" and scope["path"] == "/probe/":
        await probe(send)
    else:
        await django_application(scope, receive, send)


async def deaf(scope: Any, send: Any) -> None:
    """Wait for ever, or say how many of those who waited the server has ended."""
    global killed
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    if scope["path"] == "/deaf/killed/":
        body = json.dumps(killed).encode()
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.body", "body": b"waiting", "more_body": True})
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        killed += 1
        raise


async def probe(send: Any) -> None:
    """Say how many runs there are, who reads them, and how many tasks there are."""
    gc.collect()
    body = {
        "runs": len(LIVE),
        "readers": sum(run.readers.count for run in LIVE.values()),
        "tasks": len(asyncio.all_tasks()),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
