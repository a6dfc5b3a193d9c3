"""Django's CSRF check, and the page from which a request comes."""

from __future__ import annotations

import logging
from copy import copy
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _

from . import errors, origins

logger = logging.getLogger(__name__)


class CsrfCheck(CsrfViewMiddleware):
    """Django's CSRF check, with JSON instead of a page as its refusal."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        logger.warning("CSRF check failed: %s", reason)
        message = _("This page is too old, or it may keep no cookies. Reload it.")
        return errors.error(403, "csrf_failed", message)

    def _origin_verified(self, request: HttpRequest) -> bool:
        trusted = super()._origin_verified(request)  # type: ignore[misc]
        return bool(trusted) or origins.is_listed(request)

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the refusal of a request that fails the check; ``None`` if it passes.

        For a POST Django parses the form before it looks for the token in a header, and
        the form may be a large upload. So the header is looked at first, as for a
        method that has no form.
        """
        self.process_request(request)
        if request.method == "POST" and settings.CSRF_HEADER_NAME in request.META:
            formless = copy(request)
            formless.method = "PUT"
            if self.process_view(formless, no_response, (), {}) is None:
                return None
        return self.process_view(request, no_response, (), {})

    def is_own_page(self, request: HttpRequest) -> bool:
        """Whether the page of a request is the project's own, or trusted, or no page.

        A browser lets any page open a WebSocket or send a form, with cookies, and names
        the page.
        """
        page = page_of(request)
        if page is None:
            site = request.headers.get("Sec-Fetch-Site", "none")
            return site in ("none", "same-origin")
        named: Any = copy(request)
        named.META = request.META | {"HTTP_ORIGIN": page}
        return self._origin_verified(named)


def page_of(request: HttpRequest) -> str | None:
    """Return the origin of the page that sends a request; ``None`` if there is none."""
    if "Origin" in request.headers or "Referer" not in request.headers:
        return request.headers.get("Origin")
    try:
        referer = urlsplit(request.headers["Referer"])
    except ValueError:
        return "null"
    return f"{referer.scheme}://{referer.netloc}"


def no_response(request: HttpRequest) -> HttpResponseBase:
    """Stand in for the view that a middleware would call."""
    return HttpResponse()
