"""Routes of the project that has neighbours: the app, and an empty view."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

BLOCK = 2**16


@csrf_exempt
async def empty(request: HttpRequest) -> HttpResponse:
    """Read the body and answer: the least that a request can cost."""
    while request.read(BLOCK):
        pass
    return HttpResponse()


urlpatterns = [
    path("chatkit/", include("chatkit_images.urls")),
    path("empty/", empty),
]
