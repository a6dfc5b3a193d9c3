"""The ASGI applications whose streams are measured, and the servers behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx2
from agents import Agent
from chatkit import types
from chatkit.agents import ResponseStreamConverter
from chatkit.server import StreamingResult
from django.conf import settings
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from variants import AppServer, SdkServer, designer

from chatkit_images.context import RequestContext
from chatkit_images.server import DjangoChatKitServer

# Thousands of streams are thousands of requests to the model.
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
# What the flood consists of: 20 MB of events, of which none adds to another.
FLOOD, PROGRESS, PAUSE = 5_000, 4_000, 0.001


@cache
def agent(model: str = "") -> Agent[Any]:
    """Return the agent of this process that has a model, or the cell's model."""
    client = AsyncOpenAI(
        base_url=settings.BENCHMARK_URL,
        api_key="loopback",
        max_retries=0,
        timeout=3600,
        http_client=DefaultAsyncHttpxClient(limits=LIMITS, timeout=3600),
    )
    return designer(client, model or settings.BENCHMARK_MODEL)


class StreamServer(AppServer):
    """This app with the agent."""

    def __init__(self) -> None:
        super().__init__(agent())


class FloodServer(DjangoChatKitServer):
    """Says much, and each time something else instead: nothing piles up in it."""

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Stream lines of progress."""
        for number in range(FLOOD):
            yield types.ProgressUpdateEvent(text=f"{number} ".ljust(PROGRESS, "."))
            # Slow enough for a server that takes all of it to take all of it.
            await asyncio.sleep(PAUSE)


def application(door: str) -> Any:
    """Return what answers at a door."""
    own = {"view": view, "consumer": consumer}
    peers = {"SDK": sdk, "SDK view": sdk_view, "bare": bare}
    return (own | peers)[door]()


def view() -> Any:
    """Return Django's application: the URLconf and its middleware."""
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def consumer() -> Any:
    """Return the consumers by Channels, with Django's application behind them."""
    from channels.routing import URLRouter
    from django.urls import path, re_path

    from chatkit_images.routing import http_urlpatterns

    streams = URLRouter(http_urlpatterns)
    return URLRouter([path("chatkit/", streams), re_path("", view())])


def sdk() -> Any:
    """Return the SDK's server with a store in memory, in Starlette."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    server = sdk_server()

    async def chatkit(request: Request) -> StreamingResponse:
        result = await server.process(await request.body(), None)
        assert isinstance(result, StreamingResult)
        return StreamingResponse(result, media_type="text/event-stream")

    return Starlette(routes=[Route("/chatkit/", chatkit, methods=["POST"])])


def sdk_view() -> Any:
    """Return the SDK's server with a store in memory, in a view of Django's."""
    settings.ROOT_URLCONF = "sdk_urls"
    return view()


def sdk_server() -> SdkServer:
    """Return the SDK's server."""
    return SdkServer(agent(), ResponseStreamConverter(partial_images=3))


def bare() -> Any:
    """Return the least that a silent stream takes: what is the server's."""
    seconds = settings.CHATKIT_IMAGES["TUNING"]["HEARTBEAT_SECONDS"]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"data: {}\n\n"
        while True:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(seconds)
            body = b": keep-alive\n\n"

    return application
