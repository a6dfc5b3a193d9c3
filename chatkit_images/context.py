"""Who asks: the context that ChatKit passes to every store method."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from django.urls import get_script_prefix, get_urlconf
from django.utils import translation

from . import addresses, context_rows, visitors
from .conf import settings
from .exceptions import AuthenticationRequired
from .run_state import current_context
from .url_state import base_url_of, urls_of
from .visitors import SESSION_KEY, VISITOR, is_visitor, visitor

if TYPE_CHECKING:
    from chatkit.types import UserMessageItem
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

__all__ = [
    "SESSION_KEY",
    "VISITOR",
    "RequestContext",
    "is_visitor",
    "owner_of",
    "visitor",
]


@dataclass(frozen=True)
class RequestContext:
    """The person behind a request, and what work for them needs to know of it.

    A project's subclass is named by ``CHATKIT_IMAGES["CONTEXT"]``. It is a frozen
    dataclass whose own fields have defaults. Every method may be overridden, and none
    may be asynchronous. They are called in threads, except those that say otherwise.

    Attributes:
        user: The logged-in user; ``None`` for a visitor, and for an owner that is no
            user.
        owner: The isolation key. Rows of another owner do not exist.
        base_url: Scheme and host of absolute URLs, without a trailing slash.
        locale: Language code for texts that the person reads.
        tenant: Name of what ``activate()`` selects, such as a schema or a database;
            empty where there is one for all. Files of a tenant have a folder of their
            own, and what is done for many runs at once is done for each tenant.
        address: IP address of the client, of IPv6 the network (``"2001:db8::/64"``).
            ``None`` where ``TRUSTED_PROXIES`` does not say how to read it.
        message: The message that is being answered, with its inference options. It is
            ``None`` outside of a turn.
        script_prefix: The path before all URLs of the project; empty to leave it.
        urlconf: The URLconf, if it is not the project's own.
    """

    user: AbstractBaseUser | None
    owner: str
    base_url: str = ""
    locale: str = "en"
    tenant: str = ""
    address: str | None = None
    message: UserMessageItem | None = field(default=None, compare=False)
    script_prefix: str = ""
    urlconf: Any = field(default=None, compare=False)

    @property
    def scope(self) -> str:
        """Owner and tenant in one key: owners of two tenants may be called alike."""
        return f"{self.tenant}\0{self.owner}" if self.tenant else self.owner

    @property
    def user_id(self) -> Any:
        """Primary key of the user, ``None`` for a visitor."""
        return self.user.pk if self.user is not None else None

    @property
    def person(self) -> str:
        """Key of the person, whom a team as owner has several of.

        It is the user's own key, and the owner if there is no user.
        """
        return self.owner if self.user is None else self.own_key(self.user)

    # How it is made. May read the database; not for the event loop.

    @classmethod
    def from_request(cls, request: HttpRequest) -> Self:
        """Return the context of a request.

        Override it to add what headers, body or page say, or for an owner that is no
        user: ``return cls.for_owner("client:17", request=request)``.

        Raises:
            AuthenticationRequired: If nobody is logged in and visitors are not
                allowed, or if the user is switched off.
            RequestRefused: By a project, to refuse with words of its own.
        """
        user = cls.get_user(request)
        if user is not None and user.is_active:
            return cls.for_owner(cls.get_owner(user, request), user, request)
        if user is not None or not settings.ALLOW_ANONYMOUS:
            raise AuthenticationRequired("Log in to chat.")
        return cls.for_owner(visitors.of(request.session), None, request)

    @classmethod
    def for_user(
        cls, user: AbstractBaseUser, base_url: str = "", locale: str | None = None
    ) -> Self:
        """Return the context of a user outside a request."""
        context = cls.for_owner(cls.get_owner(user), user)
        return dataclasses.replace(
            context,
            base_url=base_url.rstrip("/") or context.base_url,
            locale=locale or context.locale,
        )

    @classmethod
    def for_owner(
        cls,
        owner: str,
        user: AbstractBaseUser | None = None,
        request: HttpRequest | None = None,
    ) -> Self:
        """Return the context of an owner, as all other methods make theirs.

        A request whose authority is a signed URL gets it too. The owner is empty
        while it is not known whose request it is.
        """
        here = current_context.get()
        return cls(
            user=user,
            owner=owner,
            base_url=base_url_of(request),
            locale=translation.get_language() or "en",
            # Not what this thread has selected: the event loop's is everybody's.
            tenant=cls.get_tenant(request)
            if request is not None or here is None
            else here.tenant,
            address=None if request is None else addresses.of(request),
            script_prefix="" if request is None else get_script_prefix(),
            urlconf=None if request is None else get_urlconf(),
        )

    @classmethod
    def get_user(cls, request: HttpRequest) -> AbstractBaseUser | None:
        """Return who sends a request. Default: the user that Django has logged in.

        Override it for a token, and return ``None`` or raise ``AuthenticationRequired``
        if it is not valid. Without cookies it is called once more for a request that
        fails Django's CSRF check: what cookies do not authenticate needs none.
        """
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return None
        # Django's lazy user would keep the request, whose body may be large.
        found: AbstractBaseUser = getattr(user, "_wrapped", user)
        return found

    @classmethod
    def get_owner(
        cls, user: AbstractBaseUser, request: HttpRequest | None = None
    ) -> str:
        """Return the isolation key of a user's rows. Default: the user's own key.

        Override it if threads belong to a team. The request is ``None`` outside of one.
        It may read the database, and raise ``AuthenticationRequired``.
        """
        return cls.own_key(user)

    @classmethod
    def own_key(cls, user: AbstractBaseUser) -> str:
        """Return the key of what is a user's alone, and is deleted with the user.

        It must be another one for each user, and stay the same.
        """
        return owner_of(user)

    @classmethod
    def get_tenant(cls, request: HttpRequest | None = None) -> str:
        """Return the name of the tenant that a request selects.

        Without a request it is the one that the project's own code has selected, as a
        page of staff may have. That is asked on the event loop, too, and must not query
        the database. With a request it may, but no tenant is selected yet.
        """
        return ""

    # What it allows

    def may_delete(self, row: Any) -> bool:
        """Whether the person may delete a ``Thread`` or ``Attachment`` of the owner.

        Default: ``True``. Override it where the owner is a team. May read the database.
        """
        return True

    # Where it is at work

    @contextmanager
    def activate(self) -> Iterator[None]:
        """Surround work for the person: each database call, upload and task.

        By default it selects language and URLs. Override it to select a tenant, too.
        It is entered many times, in threads and on the event loop, where it must not
        query the database. Within it another ``activate()`` may be entered.
        """
        with (
            urls_of(self.script_prefix, self.urlconf),
            translation.override(self.locale),
        ):
            yield

    # How another process makes it again

    def to_row(self) -> dict[str, Any]:
        """Return what the row of a run keeps, as JSON. It must have no secrets.

        It is called in the transaction that makes the row. A subclass adds those of its
        fields that another process needs. The address is left out, because nobody needs
        it later, and rows hold no URLs: another process knows ``BASE_URL``.
        """
        return context_rows.to_row(self)

    @classmethod
    def from_row(
        cls, row: dict[str, Any], user: AbstractBaseUser | None = None
    ) -> Self:
        """Return the context that ``to_row()`` described; each field by its name.

        Args:
            row: What ``to_row()`` returned, maybe in another version of the project.
                What it lacks, or has no valid value of, is as ``for_owner()`` has it.
            user: Its user, if they are known; otherwise the database is asked. Who was
                deleted meanwhile is ``None``.
        """
        if user is None:
            user = context_rows.user_of(row)
        made = cls.for_owner(str(row.get("owner") or ""), user)
        return dataclasses.replace(made, **context_rows.values_of(row, made))


def owner_of(user: AbstractBaseUser) -> str:
    """Return a user's own isolation key."""
    return f"user:{user.pk}"
