"""ASGI application of the example project: streams, pages, static files, a model."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from .network import for_this_machine  # noqa: E402

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

LOOPBACK_PREFIX = "/loopback/v1/"


def mount(prefix: str, mounted: Application, otherwise: Application) -> Application:
    """Return an application that gives paths under `prefix` to `mounted`."""

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(prefix):
            await ended(mounted, scope, receive, send)
        else:
            await otherwise(scope, receive, send)

    return application


async def ended(
    application: Application, scope: Scope, receive: Any, send: Any
) -> None:
    """Run an application and end the response that it may have left open.

    The loopback model breaks off by returning early, which closes the connection
    under other servers; Daphne would leave the client waiting.
    """
    open_response = False

    async def watched(message: Scope) -> None:
        nonlocal open_response
        open_response = message["type"] == "http.response.start" or bool(
            message.get("more_body")
        )
        await send(message)

    await application(scope, receive, watched)
    if open_response:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


# The static files handler serves them with DEBUG off as well: the demo has no web
# server in front of it.
pages = ASGIStaticFilesHandler(get_asgi_application())

# With Django's apps loaded: the routes import models.
from chatkit_images.routing import (  # noqa: E402
    http_urlpatterns,
    websocket_urlpatterns,
)

# The streams by Channels, which gives them no thread each; the rest by Django.
application: Application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [path("chatkit/", URLRouter(http_urlpatterns)), re_path("", pages)]
        ),
        "websocket": URLRouter([path("chatkit/", URLRouter(websocket_urlpatterns))]),
    }
)

if settings.LOOPBACK:
    from chatkit_images.testing import LoopbackAPI, default_model

    from .drawing import draw, knows

    model = LoopbackAPI(
        delay=0.6, max_side=768, draw=draw, model=partial(default_model, knows=knows)
    )
    application = mount(LOOPBACK_PREFIX, for_this_machine(model), application)
