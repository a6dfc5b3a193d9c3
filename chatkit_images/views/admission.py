"""The check of every request: CSRF, and who sends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _
from django.views import View

from .. import database, models, runs
from ..context import RequestContext
from ..contexts import context_class, working_for
from ..run_state import current_context
from . import errors

P = ParamSpec("P")


class CsrfCheck(CsrfViewMiddleware):
    """Django's CSRF check, with JSON instead of a page as its refusal."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return errors.error(403, "csrf_failed", f"CSRF: {reason}")

    def is_own_page(self, request: HttpRequest) -> bool:
        """Whether the page that opens a WebSocket is the project's own, or trusted.

        A browser lets any page open a WebSocket, with cookies, and names the page.
        """
        check = self._origin_verified  # type: ignore[attr-defined]
        return "Origin" not in request.headers or bool(check(request))


def no_response(request: HttpRequest) -> HttpResponseBase:
    """Stand in for the view that a middleware would call."""
    return HttpResponse()


def admit(request: HttpRequest) -> RequestContext | HttpResponseBase:
    """Return the context of the request, or its refusal. Not for the event loop."""
    check = CsrfCheck(no_response)
    check.process_request(request)
    refusal = check.process_view(request, no_response, (), {})
    if refusal is not None:
        return refusal
    return context_of(request)


def context_of(request: HttpRequest) -> RequestContext:
    """Return the context of a request. Not for the event loop.

    Raises:
        AuthenticationRequired: If nobody is logged in.
    """
    # Its session and its user may be a tenant's rows.
    with working_for(context_class().for_owner("", request=request)):
        return context_class().from_request(request)


def of_owner(
    row: models.Thread | models.Attachment, request: HttpRequest
) -> RequestContext:
    """Return the context of a request whose authority is a URL of the owner's."""
    return context_class().for_owner(row.owner, row.user, request)


class JsonView(View):
    """A view whose errors are JSON, exempt from ``ATOMIC_REQUESTS``.

    A transaction must not stay open over a stream or over the work of a storage.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view, exempt on every database that the project has."""
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(alias)(view)
        return view

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
    """Admit a request and return its answer; exceptions become errors in JSON.

    This runs both under Django and under Channels, so database work goes through
    ``database.call``.
    """
    # The supervisor begins with the first request, and also finds the runs of a process
    # that died before this one began.
    runs.supervisor().begin()
    # Readers of other processes' runs would keep the server from ending too.
    runs.drain.install()
    try:
        context = await database.call(admit, request)
        if isinstance(context, HttpResponseBase):
            return context
        # From now on this task works for them, until the last of its response is sent.
        current_context.set(context)
        return await answer(context, *args, **kwargs)
    except Exception as exception:
        return errors.from_exception(exception)
