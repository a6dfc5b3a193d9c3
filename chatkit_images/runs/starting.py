"""The start of a run."""

from __future__ import annotations

import asyncio

from chatkit import types
from chatkit.server import ChatKitServer

from ..context import RequestContext
from . import drain
from .runner import LiveRun


async def start(
    server: ChatKitServer[RequestContext],
    request: types.StreamingReq,
    body: bytes,
    context: RequestContext,
    idempotency_key: str | None = None,
) -> LiveRun:
    """Claim a turn and start its task.

    Raises:
        NotFoundError: If the owner has no such thread.
        Replayed: If a run was made with the same idempotency key.
        RequestRefused: If the thread is locked, closed or busy.
        Draining: If this process is about to end.
    """
    if drain.draining():
        raise drain.Draining
    drain.install()
    run = LiveRun(server, request, context, idempotency_key)
    run.begin(body)
    try:
        await asyncio.shield(run.claimed)
    except asyncio.CancelledError:
        # Who asks with a key may ask again, and gets the answer of this run.
        run.left(patient=idempotency_key is not None)
        raise
    return run
