"""What Django's security middleware does, where no middleware runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string

from ..views.pages import no_response

R = TypeVar("R", bound=HttpResponseBase)
GUARDS = (SecurityMiddleware, XFrameOptionsMiddleware)


def redirect_of(request: HttpRequest) -> HttpResponseBase | None:
    """Return the redirect to HTTPS with which ``MIDDLEWARE`` would answer.

    Raises:
        DisallowedHost: If the request names no host of the project.
    """
    for guard in guards():
        check = getattr(guard, "process_request", None)
        if check is not None and (response := check(request)) is not None:
            return cast(HttpResponseBase, response)
    return None


def hardened(request: HttpRequest, response: R) -> R:
    """Return a response with the headers that ``MIDDLEWARE`` would add."""
    for guard in guards():
        guard.process_response(request, cast(HttpResponse, response))
    return response


def guards() -> Iterator[Any]:
    """Yield the project's security middleware, from the inside out."""
    for each in reversed(_classes(tuple(settings.MIDDLEWARE))):
        # Each reads the settings when it is made.
        yield each(no_response)


@cache
def _classes(middleware: tuple[str, ...]) -> list[Any]:
    found = map(import_string, middleware)
    return [
        each for each in found if isinstance(each, type) and issubclass(each, GUARDS)
    ]
