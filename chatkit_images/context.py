"""Who asks: the context that ChatKit passes to every store method."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils import translation

from .conf import settings
from .exceptions import AuthenticationRequired

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.sessions.backends.base import SessionBase
    from django.http import HttpRequest

SESSION_KEY = "chatkit_images_owner"
VISITOR = "visitor:"


@dataclass(frozen=True)
class RequestContext:
    """The person behind a request.

    Attributes:
        user: The logged-in user, ``None`` for a visitor.
        owner: The isolation key. Rows of another owner do not exist.
        base_url: Scheme and host of absolute URLs, without a trailing slash.
        locale: Language code for texts that the person reads.
    """

    user: AbstractBaseUser | None
    owner: str
    base_url: str = ""
    locale: str = "en"

    @property
    def user_id(self) -> Any:
        """Primary key of the user, ``None`` for a visitor."""
        return self.user.pk if self.user is not None else None

    @classmethod
    def from_request(cls, request: HttpRequest) -> RequestContext:
        """Return the context of a request. May read the database; not for the loop.

        Raises:
            AuthenticationRequired: If nobody is logged in and visitors are not
                allowed.
        """
        locale = translation.get_language_from_request(request)
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            # Django's lazy user would keep the request, whose body may be large.
            user = getattr(user, "_wrapped", user)
            return cls(user, owner_of(user), base_url_of(request), locale)
        if not settings.ALLOW_ANONYMOUS:
            raise AuthenticationRequired("Log in to chat.")
        return cls(None, visitor(request.session), base_url_of(request), locale)

    @classmethod
    def for_user(
        cls, user: AbstractBaseUser, base_url: str = "", locale: str | None = None
    ) -> RequestContext:
        """Return the context of a user outside a request."""
        return cls(
            user,
            owner_of(user),
            (base_url or settings.BASE_URL or "").rstrip("/"),
            locale or translation.get_language() or "en",
        )


def base_url_of(request: HttpRequest) -> str:
    """Return scheme and host of the URLs that the sender of a request gets."""
    base_url = settings.BASE_URL or f"{request.scheme}://{request.get_host()}"
    return base_url.rstrip("/")


def owner_of(user: AbstractBaseUser) -> str:
    """Return the isolation key of a user."""
    return f"user:{user.pk}"


def visitor(session: SessionBase) -> str:
    """Return the isolation key of a visitor, made at the first call.

    It is not the session's key, which changes at login and gives access to the session.
    """
    if SESSION_KEY not in session:
        session[SESSION_KEY] = f"{VISITOR}{secrets.token_hex(16)}"
    return str(session[SESSION_KEY])


def is_visitor(owner: str) -> bool:
    """Whether an isolation key is a visitor's; a project may have keys of its own."""
    return owner.startswith(VISITOR)
