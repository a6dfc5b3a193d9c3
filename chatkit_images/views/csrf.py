"""Django's CSRF token, for pages that cannot read its cookie."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token

from .admission import JsonView
from .pages import CsrfCheck, no_response


class CsrfTokenView(JsonView):
    """Tells the token that a page of another origin sends with its cookies.

    Browsers let only pages of the project and of ``ORIGINS`` read it.
    """

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return ``{"csrfToken": "..."}``, and set the cookie that goes with it."""
        check = CsrfCheck(no_response)
        check.process_request(request)
        response = JsonResponse({"csrfToken": get_token(request)})
        response["Cache-Control"] = "no-store"
        return check.process_response(request, response)
