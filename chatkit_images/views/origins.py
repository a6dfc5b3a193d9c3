"""Pages of other origins: which may ask, and what a browser lets them read (CORS)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string

from ..conf import settings
from .streams import RUN

R = TypeVar("R", bound=HttpResponseBase)
Answer = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
EXPOSED_HEADERS = (RUN, "Retry-After", "WWW-Authenticate")
# Browsers keep the answer to a preflight request for two hours at most.
PREFLIGHT_SECONDS = 7200


def is_listed(request: HttpRequest) -> bool:
    """Whether a request comes from a page that ``ORIGINS`` lists."""
    return request.META.get("HTTP_ORIGIN") in settings.ORIGINS


def is_listed_for_cors(request: HttpRequest) -> bool:
    """Whether django-cors-headers lists the page. To allow all of them lists none."""
    middleware = cors_middleware(tuple(django_settings.MIDDLEWARE))
    origin = request.headers.get("Origin", "")
    if middleware is None or origin in ("", "null"):
        return False
    check = middleware(lambda request: HttpResponse())
    try:
        listed = check.origin_found_in_white_lists(origin, urlsplit(origin))
        return bool(listed and check.is_enabled(request))
    except ValueError:
        return False


@cache
def cors_middleware(middleware: tuple[str, ...]) -> Any:
    """Return the project's class of django-cors-headers, ``None`` if it has none."""
    for each in map(import_string, middleware):
        bases = each.__mro__ if isinstance(each, type) else ()
        if any(base.__module__ == "corsheaders.middleware" for base in bases):
            return each
    return None


# What a browser is told


def preflight(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a browser that asks what a listed page may send."""
    if request.method != "OPTIONS" or not is_listed(request):
        return None
    if "Access-Control-Request-Method" not in request.headers:
        return None
    # A project has headers of its own, and its pages are known.
    asked = request.headers.get("Access-Control-Request-Headers", "")
    return HttpResponse(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, OPTIONS",
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )


def share(request: HttpRequest, response: R) -> R:
    """Let a listed page read a response, unless django-cors-headers does that."""
    if not settings.ORIGINS or cors_middleware(tuple(django_settings.MIDDLEWARE)):
        return response
    patch_vary_headers(response, ("Origin",))
    if is_listed(request):
        response["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response["Access-Control-Allow-Credentials"] = "true"
        response["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
    return response


async def shared(request: HttpRequest, answer: Answer) -> HttpResponseBase:
    """Return the answer to a request that no middleware sees, as middleware would."""
    middleware = cors_middleware(tuple(django_settings.MIDDLEWARE))
    if middleware is None:
        return share(request, await answer(request))
    response: HttpResponseBase = await middleware(answer)(request)
    return response
