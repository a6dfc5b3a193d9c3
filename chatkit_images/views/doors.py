"""What every view checks first: CSRF and who asks."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _
from django.views import View

from ..context import RequestContext
from . import errors


class CsrfCheck(CsrfViewMiddleware):
    """Django's CSRF check, its refusal as JSON instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return errors.error(403, "csrf_failed", f"CSRF: {reason}")


def _no_response(request: HttpRequest) -> HttpResponseBase:
    return HttpResponse()


def admit(request: HttpRequest) -> RequestContext | HttpResponseBase:
    """Return who asks, or the answer that turns them away. Not for the loop."""
    check = CsrfCheck(_no_response)
    check.process_request(request)
    refusal = check.process_view(request, _no_response, (), {})
    if refusal is not None:
        return refusal
    return RequestContext.from_request(request)


class JsonView(View):
    """A view whose errors are JSON."""

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> Any:
        """Answer 405 with the methods that are allowed."""
        response = errors.error(
            405, "method_not_allowed", _("This method is not allowed here.")
        )
        allowed = [name for name in self.http_method_names if hasattr(self, name)]
        response["Allow"] = ", ".join(name.upper() for name in allowed)
        if not self.view_is_async:
            return response

        # Django awaits what an asynchronous view returns.
        async def answer() -> HttpResponse:
            return response

        return answer()
