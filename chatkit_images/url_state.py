"""What URLs are made from: the host, the path before all URLs, and the URLconf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import DisallowedHost
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf

from .conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest


# A name of DNS, and a port. ``ALLOWED_HOSTS`` may allow all that end alike.
MAX_HOST = 253 + len(":65535")


def base_url_of(request: HttpRequest | None) -> str:
    """Return scheme and host of the URLs that the sender of a request gets.

    Raises:
        DisallowedHost: If the host is not one that ``ALLOWED_HOSTS`` has, or longer
            than a name can be: each URL of an answer has it.
    """
    if settings.BASE_URL or request is None:
        return (settings.BASE_URL or "").rstrip("/")
    host = request.get_host()
    if len(host) > MAX_HOST:
        raise DisallowedHost("A host has no name of that length.")
    return f"{request.scheme}://{host}"


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
