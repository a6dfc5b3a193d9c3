"""What every view checks first: CSRF and who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _
from django.views import View

from .. import database, runs
from ..context import RequestContext
from . import errors

P = ParamSpec("P")


class CsrfCheck(CsrfViewMiddleware):
    """Django's CSRF check, its refusal as JSON instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return errors.error(403, "csrf_failed", f"CSRF: {reason}")

    def is_own_page(self, request: HttpRequest) -> bool:
        """Whether the page that opens a WebSocket is the project's own, or trusted.

        A browser lets every page open one, cookies included, and names the page.
        """
        check = self._origin_verified  # type: ignore[attr-defined]
        return "Origin" not in request.headers or bool(check(request))


def no_response(request: HttpRequest) -> HttpResponseBase:
    """Stand in for the view that a middleware would call."""
    return HttpResponse()


def admit(request: HttpRequest) -> RequestContext | HttpResponseBase:
    """Return who asks, or the answer that turns them away. Not for the loop."""
    check = CsrfCheck(no_response)
    check.process_request(request)
    refusal = check.process_view(request, no_response, (), {})
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


async def respond(
    request: HttpRequest,
    answer: Callable[Concatenate[RequestContext, P], Awaitable[HttpResponseBase]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> HttpResponseBase:
    """Return the answer to who is admitted; whatever it raises is told in JSON.

    It runs in Django and in Channels alike: what needs the database goes through
    ``database.call``.
    """
    # From the first request on: runs of a process that died before this one began.
    runs.supervisor().begin()
    # Readers of other processes' runs would hold up the server's end as well.
    runs.drain.install()
    try:
        context = await database.call(admit, request)
        if isinstance(context, HttpResponseBase):
            return context
        return await answer(context, *args, **kwargs)
    except Exception as exception:
        return errors.from_exception(exception)
