"""What URLs are made from: the host, the path before all URLs, and the URLconf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf

from .conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest


def base_url_of(request: HttpRequest | None) -> str:
    """Return scheme and host of the URLs that the sender of a request gets."""
    if settings.BASE_URL or request is None:
        return (settings.BASE_URL or "").rstrip("/")
    return f"{request.scheme}://{request.get_host()}"


@contextmanager
def urls_of(script_prefix: str, urlconf: Any) -> Iterator[None]:
    """Make URLs with a path before them, by a URLconf; an empty path changes nothing.

    Django keeps both for each thread or task.
    """
    if not script_prefix:
        yield
        return
    before = get_script_prefix(), get_urlconf()
    set_script_prefix(script_prefix)
    set_urlconf(urlconf)
    try:
        yield
    finally:
        set_script_prefix(before[0])
        set_urlconf(before[1])
