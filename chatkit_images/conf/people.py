"""Settings of whose requests are answered."""

from __future__ import annotations

from typing import cast

from .base import Group


class People(Group):
    """Who may chat, and what the app knows of them."""

    # People

    @property
    def CONTEXT(self) -> str | None:
        """Dotted path of the project's subclass of ``RequestContext``.

        Every endpoint, hook, tool and command gets its objects; see docs/context.md.
        Default: ``None``, the app's own.
        """
        return cast("str | None", self._get("CONTEXT", None))

    @property
    def CONTEXTS(self) -> str | None:
        """Dotted path of a function that yields a context for each tenant.

        Commands, and what looks for dead runs, work within each of them in turn; see
        docs/tenants.md. Default: ``None``, there are no tenants.
        """
        return cast("str | None", self._get("CONTEXTS", None))

    @property
    def TRUSTED_PROXIES(self) -> tuple[str, ...] | None:
        """Addresses and networks of the proxies whose ``X-Forwarded-For`` is believed.

        ``"unix"`` is a proxy that connects by a Unix socket; ``[]`` says that there is
        none. Default: ``None``, contexts have no address, so the limits of
        an address, in ``LIMITS``, hold for nobody.
        """
        found = self._get("TRUSTED_PROXIES", None)
        return None if found is None else tuple(found)

    @property
    def ALLOW_ANONYMOUS(self) -> bool:
        """Whether visitors may chat without logging in. Default: ``False``.

        A visitor's threads belong to the session. At login they go over to the user.
        """
        return bool(self._get("ALLOW_ANONYMOUS", False))

    @property
    def ORIGINS(self) -> tuple[str, ...]:
        """Other origins whose pages may chat, such as ``"https://app.shop.example"``.

        Browsers let them read answers (CORS), and to Django's CSRF check they are
        trusted. With django-cors-headers its own settings say who may read. Default:
        none.
        """
        return tuple(self._get("ORIGINS", ()))
