"""Django's CSRF token, for pages that cannot read its cookie."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token

from .admission import JsonView, unkept
from .pages import CsrfCheck, no_response


class CsrfTokenView(JsonView):
    """Tells the token that a page of another origin sends with its cookies.

    Browsers let only pages of the project and of ``ORIGINS`` read it.
    """

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return ``{"csrfToken": "..."}``, and set the cookie that goes with it."""
        check = CsrfCheck(no_response)
        check.process_request(request)
        response = unkept({"csrfToken": get_token(request)})
        return check.process_response(request, response)
