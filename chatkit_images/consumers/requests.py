"""Django's request for a connection that does not go through Django's handler."""

from __future__ import annotations

from functools import cache, partial
from io import BytesIO
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.db import router
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import set_script_prefix
from django.utils import translation
from django.utils.module_loading import import_string

from .. import database
from ..contexts import within_tenant_of
from ..views.pages import no_response


def make_request(scope: dict[str, Any], body: bytes = b"") -> ASGIRequest:
    """Return the request of a connection, with its session and its user.

    Both are Django's, and are read when they are used, unless a Channels middleware has
    put one of its own into the scope.

    Raises:
        ValueError: If the path or the headers cannot be read.
    """
    if scope["type"] == "websocket":
        schemes = {"ws": "http", "wss": "https"}
        scheme = schemes.get(scope.get("scheme", "ws"), "http")
        scope = scope | {"type": "http", "method": "GET", "scheme": scheme}
    set_script_prefix(get_script_prefix(scope))
    request = ASGIRequest(scope, BytesIO(body))
    SessionMiddleware(no_response).process_request(request)
    if "session" in scope:
        request.session = scope["session"]
    AuthenticationMiddleware(no_response).process_request(request)
    if "user" in scope:
        request.user = scope["user"]
    if asks_for_language(tuple(settings.MIDDLEWARE)):
        translation.activate(translation.get_language_from_request(request))
    return request


def renewed(scope: dict[str, Any]) -> dict[str, Any]:
    """Return a connection's scope as it is now. Not for the event loop.

    What a Channels middleware has put there was read when the connection began: the
    session is read again, and with it the user who is logged in by it. Another user,
    such as that of a token, is read again as a row.
    """
    scope = dict(scope)
    if "session" in scope:
        kept = getattr(scope["session"], "_wrapped", scope["session"])
        scope["session"] = type(kept)(kept.session_key)
    user = scope.pop("user", None)
    if user is None or not user.is_authenticated:
        return scope
    before: Any = kept if "session" in scope else {}
    if before.get(SESSION_KEY) != user._meta.pk.value_to_string(user):
        users = get_user_model()._default_manager
        rows = users.using(router.db_for_write(users.model))
        scope["user"] = rows.filter(pk=user.pk).first() or AnonymousUser()
    return scope


@cache
def asks_for_language(middleware: tuple[str, ...]) -> bool:
    """Whether the project answers each request in its own language."""
    classes = map(import_string, middleware)
    return any(
        isinstance(each, type) and issubclass(each, LocaleMiddleware)
        for each in classes
    )


async def keep_session(request: ASGIRequest, response: HttpResponseBase) -> None:
    """Save the session and set its cookie, if it changed."""
    if request.session is request.scope.get("session"):
        return
    keep = partial(
        SessionMiddleware(no_response).process_response,
        request,
        cast(HttpResponse, response),
    )

    def save() -> None:
        # Of a request that was refused nothing says where its session is.
        with within_tenant_of(request):
            keep()

    if request.session.modified or settings.SESSION_SAVE_EVERY_REQUEST:
        # The request has waited already, and only this keeps its answer back.
        with database.ahead():
            await database.call(save)
    else:
        # Headers only.
        keep()


def header_pairs(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response as ASGI wants them, its cookies included."""
    pairs = [
        (name.encode("ascii"), value.encode("latin1"))
        for name, value in response.items()
    ]
    for cookie in response.cookies.values():
        pairs.append((b"Set-Cookie", cookie.output(header="").strip().encode()))
    return pairs
