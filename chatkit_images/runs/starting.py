"""The start of a run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TypeVar

from chatkit import types
from chatkit.server import ChatKitServer
from django.urls import get_script_prefix, get_urlconf

from ..context import RequestContext
from . import drain
from .live_run import LiveRun

C = TypeVar("C", bound=RequestContext)


async def start(
    server: ChatKitServer[RequestContext],
    request: types.StreamingReq,
    body: bytes,
    context: RequestContext,
    idempotency_key: str | None = None,
) -> LiveRun:
    """Start the task of a run, and wait until the run has its claim.

    Raises:
        NotFoundError: If the owner has no such thread.
        Repeated: If a run answers the same request already.
        RequestRefused: If the thread is locked, closed or busy.
        Draining: If this process drains.
    """
    run = LiveRun(server, request, prepare(context), idempotency_key)
    run.begin(body)
    try:
        await asyncio.shield(run.claimed)
    except asyncio.CancelledError:
        # A client with a key may send the request again, and gets this run's answer.
        run.readers.left(patient=idempotency_key is not None)
        raise
    return run


def prepare(context: C) -> C:
    """Return the context of a run that may begin, with the URLs of its caller.

    Raises:
        Draining: If this process drains.
    """
    if drain.draining():
        raise drain.Draining
    drain.install()
    if context.script_prefix:
        return context
    # It was made outside of a request. The run works where its caller does.
    prefix, urlconf = get_script_prefix(), get_urlconf()
    return replace(context, script_prefix=prefix, urlconf=urlconf)
