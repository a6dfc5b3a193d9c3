"""Signed tokens in URLs, which replace a login.

A token names one thing, one variant of it, the scope of its owner and the second it
expires. ChatKit.js shows images in a frame of another site, where no cookie arrives.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from django.conf import settings as django_settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from . import url_windows
from .conf import settings

# Not the module's name: processes of before, and pages that are open, have URLs of it.
SALT = "chatkit_images.tokens"


@dataclass(frozen=True)
class Token:
    """What a valid token says.

    Attributes:
        kind: ``"image"``, ``"attachment"`` or ``"upload"``.
        key: The primary key of the thing.
        variant: Which bytes of it, e.g. ``"full"``.
        scope_digest: Digest of the owner's scope; ``is_of`` compares it.
        expires: The second in which it expires, since 1970.
    """

    kind: str
    key: str
    variant: str
    scope_digest: str
    expires: int

    def seconds_to_keep(self) -> int:
        """Return how long a browser may keep what the URL opens.

        After ``URL_WINDOW`` a page has another URL, and once the token has expired,
        nobody may see the bytes by it.
        """
        left = self.expires - int(time.time())
        return max(0, min(settings.URL_WINDOW, left))

    def is_of(self, scope: str) -> bool:
        """Whether the token was made for a scope, with whatever key is valid."""
        keys = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
        return any(
            constant_time_compare(self.scope_digest, digest(scope, key)) for key in keys
        )


def digest(scope: str, key: str | bytes | None = None) -> str:
    """Return a keyed digest of a scope, because a URL must not name a person."""
    return salted_hmac(SALT, scope, secret=key, algorithm="sha256").hexdigest()[:16]


def expiry(thing: str) -> int:
    """Return the expiry second of a token made now, the same for a whole window.

    Args:
        thing: Of what the windows are.
    """
    start = url_windows.begin(thing)
    return start + max(1, settings.URL_WINDOW) + settings.URL_MAX_AGE


def make(
    kind: str, key: str, variant: str, scope: str, *, expires: int | None = None
) -> str:
    """Return a token; ``scope`` is that of the context for which it is made.

    Raises:
        ValueError: If a part has a dot, which parts the parts.
    """
    until = expires or expiry(f"{kind}.{key}.{variant}")
    parts = (kind, key, variant, digest(scope), format(until, "x"))
    if any("." in part for part in parts):
        raise ValueError(f"A part of a token must not have a dot: {parts!r}.")
    return _signer().sign(".".join(parts))


def read(token: str, *, expired_ok: bool = False) -> Token | None:
    """Return what a token says.

    ``None`` if it is forged, altered or expired, or says what no token of ours does.
    """
    try:
        value = _signer().unsign(token)
        kind, key, variant, scope_digest, expires = value.split(".")
        until = int(expires, 16)
        if kind == "image":
            uuid.UUID(hex=key)
    except (signing.BadSignature, ValueError):
        return None
    # A database cannot look up what has a NUL.
    if "\0" in key or (until < time.time() and not expired_ok):
        return None
    return Token(kind, key, variant, scope_digest, until)


def is_signed(token: str) -> bool:
    """Whether a token was made here, expired or not."""
    try:
        _signer().unsign(token)
    except (signing.BadSignature, ValueError):  # Halves of characters are no text.
        return False
    return True


def _signer() -> signing.Signer:
    return signing.Signer(salt=SALT, sep="~")
