"""The check of every request: its page, CSRF, and who sends it."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from .. import database, runs
from ..context import RequestContext
from ..contexts import checked, context_class, task_of, within_tenant_of
from ..exceptions import AuthenticationRequired, NotFoundError, RequestRefused
from ..run_state import current_context
from ..visitors import is_visitor
from . import errors, origins
from .cookieless import scheme_of, without_cookies
from .pages import CsrfCheck, no_response

logger = logging.getLogger(__name__)
P = ParamSpec("P")
# What a project's context may raise.
REFUSALS = (
    AuthenticationRequired,
    Http404,
    NotFoundError,
    PermissionDenied,
    RequestRefused,
)
# The name of a scheme that a client may send.
TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}")


def admit(request: HttpRequest) -> RequestContext | HttpResponseBase:
    """Return the context of the request, or its refusal. Not for the event loop.

    Raises:
        AuthenticationRequired: If nobody is logged in, or a token is not valid.
        RequestRefused: If the person may not chat.
    """
    check = CsrfCheck(no_response)
    # The session may have the token.
    with within_tenant_of(request):
        refusal = check.refusal(request)
    if refusal is None:
        return context_of(request)
    # A proxy may have made a header of a cookie, so the page counts in any case.
    if not (check.is_own_page(request) or origins.is_listed_for_cors(request)):
        return refusal
    bare = without_cookies(request)
    if bare is None:
        return refusal
    return context_without_cookies(request, bare) or refusal


def context_without_cookies(
    request: HttpRequest, bare: HttpRequest
) -> RequestContext | None:
    """Return the context of a request that fails Django's CSRF check.

    Args:
        request: The request.
        bare: The same without cookies, which alone says who sends it.

    Returns:
        ``None`` if cookies may be what it needs: then the check was right.

    Raises:
        AuthenticationRequired: If it has no cookies, or a token that is not valid.
        RequestRefused: If the person may not chat.
    """
    try:
        context = context_of(bare)
    except (AuthenticationRequired, RequestRefused):
        if scheme_of(bare) or not request.COOKIES:
            raise
        return None
    except (AttributeError, LookupError):
        # The project may need what its middleware has made of the cookies.
        if not request.COOKIES:
            raise
        logger.info("Without its cookies a request has no context", exc_info=True)
        return None
    return None if is_visitor(context.owner) else context


def context_of(request: HttpRequest) -> RequestContext:
    """Return the context of a request. Not for the event loop.

    Raises:
        AuthenticationRequired: If nobody is logged in, or a token is not valid.
        RequestRefused: If the person may not chat.
        TypeError: If the project's ``from_request()`` returns no context.
        ValueError: If it names no owner.
    """
    with within_tenant_of(request), authenticating():
        context = checked(context_class().from_request(request))
    if is_visitor(context.owner) and scheme_of(request):
        raise AuthenticationRequired("This token is not valid.")
    return context


@contextmanager
def authenticating() -> Iterator[None]:
    """Surround a project's own way to find out who sends a request.

    Raises:
        AuthenticationRequired: If it raises what REST framework answers with 401.
        RequestRefused: If it raises Django's ``PermissionDenied``, or what REST
            framework answers with 403.
    """
    try:
        yield
    except AuthenticationRequired:
        raise
    except Exception as exception:
        status = getattr(exception, "status_code", None)
        if status == 401:
            raise AuthenticationRequired("This token is not valid.") from exception
        if status == 403 or isinstance(exception, PermissionDenied):
            message = _("You may not chat.")
            raise RequestRefused("forbidden", message, status=403) from exception
        raise


# admit() checks CSRF and who asks, with a refusal that a program can read. A project's
# LoginRequiredMiddleware would send signed URLs and tokens to the page of the login.
@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class JsonView(View):
    """A view whose errors are JSON, and whose answers listed pages may read.

    It is exempt from ``ATOMIC_REQUESTS``: a transaction must not stay open over a
    stream or over the work of a storage.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view, exempt on every database that the project has."""
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer a request, and a browser that asks whether a page may send it."""
        told: HttpResponseBase | None = origins.preflight(request)
        if not self.view_is_async:
            try:
                told = told or super().dispatch(request, *args, **kwargs)
            except REFUSALS as refusal:
                told = errors.from_exception(refusal)
            return finish(request, told)
        answer: Any = super().dispatch

        async def answered() -> HttpResponseBase:
            return finish(request, told or await answer(request, *args, **kwargs))

        return answered()

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


def unkept(answer: Mapping[str, Any]) -> JsonResponse:
    """Return an answer in JSON that no cache keeps: it holds for one person, now."""
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return a response with what it says of tokens and of pages of other origins."""
    status = response.status_code
    response = errors.shown(request, response)
    if status == 401 and TOKEN.fullmatch(scheme := scheme_of(request)):
        response["WWW-Authenticate"] = f'{scheme} realm="chat"'
    return origins.share(request, response)


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
        async with task_of(context):
            return await answer(context, *args, **kwargs)
    except Exception as exception:
        return errors.from_exception(exception)
