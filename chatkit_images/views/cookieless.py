"""A request as if a browser had added nothing to it by itself: no cookie, no login."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY

# Schemes of ``Authorization`` that a browser answers by itself.
AMBIENT_SCHEMES = ("basic", "digest", "negotiate", "ntlm", "kerberos")
# What servers and proxies make of a cookie, a certificate or a login of their own.
AMBIENT_HEADERS = (
    "cookie",
    "proxy-authorization",
    "remote-",
    "ssl-client-",
    "tailscale-user-",
    "cf-access-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-authentik-",
    "x-client-cert",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-goog-authenticated-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-remote-",
    "x-ssl-client-",
    "x-webauth-",
)
AMBIENT_META = ("REMOTE_USER", "AUTH_TYPE")
# What belongs to the request that was sent, or is made for the copy.
NOT_CARRIED = ("session", "user", "auser", "csrf_processing_done")


def scheme_of(request: HttpRequest) -> str:
    """Return the scheme of the token that a request has in ``Authorization``.

    It is empty if there is none, or if a browser may have added it by itself.
    """
    scheme = request.headers.get("Authorization", "").strip().partition(" ")[0]
    return "" if scheme.lower() in AMBIENT_SCHEMES else scheme


def without_cookies(request: HttpRequest) -> HttpRequest | None:
    """Return a request as it is without what a browser or a proxy adds by itself.

    It has no cookies, a new session that nobody saves, and nobody is logged in. It is
    made anew from what the server has received, so it lacks what middleware has put
    there: that may come from a cookie. If nothing was taken away, it cannot, and is
    kept; the user only beside an ``Authorization`` of their own.

    Returns:
        ``None`` for a request of WSGI, where middleware writes into what was received.
    """
    if not isinstance(request, ASGIRequest):
        return None
    headers = [pair for pair in request.scope.get("headers", []) if not ambient(*pair)]
    known = {"user", "session", "cookies"}
    scope = {name: each for name, each in request.scope.items() if name not in known}
    body: bytes | None = vars(request).get("_body")
    bare: Any = ASGIRequest(scope | {"headers": headers}, BytesIO(body or b""))
    if body is not None:
        bare._body = body
    else:
        # Whoever takes the file reads it from the request that was sent.
        bare.META["CONTENT_LENGTH"] = "0"
    bare.resolver_match = request.resolver_match
    if added_nothing(request, headers):
        for name, value in vars(request).items():
            if not (
                name in NOT_CARRIED
                or name in vars(bare)
                or name.startswith("_")
                or hasattr(ASGIRequest, name)
            ):
                setattr(bare, name, value)
        user: Any = getattr(request, "user", None)
    else:
        user = None
    bare.session = import_module(settings.SESSION_ENGINE).SessionStore()
    bare.user = user if user and scheme_of(bare) else AnonymousUser()
    return bare  # type: ignore[no-any-return]


def ambient(name: bytes, value: bytes) -> bool:
    """Whether a browser, a server or a proxy may have added a header by itself."""
    header = name.decode("latin1").lower()
    if header == "authorization":
        scheme = value.decode("latin1").strip().partition(" ")[0]
        return scheme.lower() in AMBIENT_SCHEMES
    return header.startswith(AMBIENT_HEADERS)


def added_nothing(request: ASGIRequest, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request has nothing that may have told middleware who sends it.

    A client that keeps cookies has Django's own, of which none tells that if there is
    nothing in the session.

    Args:
        request: The request.
        headers: Those of its headers that the client itself has written.
    """
    plain = {settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME}
    plain.add(settings.SESSION_COOKIE_NAME)
    session = getattr(request, "session", None)
    sent = [
        pair
        for pair in request.scope.get("headers", [])
        if pair[0].lower() != b"cookie"
    ]
    return (
        len(sent) == len(headers)
        and not any(name in request.META for name in AMBIENT_META)
        and request.COOKIES.keys() <= plain
        and set(session.keys() if session is not None else ()) <= {CSRF_SESSION_KEY}
    )
