"""Routes of a project that has the SDK's server in a view of its own."""

from __future__ import annotations

from chatkit.server import StreamingResult
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from stream_apps import sdk_server

server = sdk_server()


async def chatkit(request: HttpRequest) -> HttpResponseBase:
    """Answer who is logged in, by the project's middleware, as this app does."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse(status=401)
    result = await server.process(request.body, None)
    assert isinstance(result, StreamingResult)
    return StreamingHttpResponse(result, content_type="text/event-stream")


urlpatterns = [path("chatkit/", chatkit)]
