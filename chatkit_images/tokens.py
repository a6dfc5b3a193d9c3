"""Signed tokens that stand in a URL for a login.

A token names one thing, one variant of it, its owner and the second it expires.
ChatKit.js shows pictures in a frame of another site, where no cookie arrives.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from django.core import signing

from .conf import settings

SALT = "chatkit_images.tokens"


@dataclass(frozen=True)
class Token:
    """What a valid token says.

    Attributes:
        kind: ``"image"``, ``"attachment"`` or ``"upload"``.
        key: The primary key of the thing.
        variant: Which bytes of it, e.g. ``"full"``.
        owner_digest: Digest of the owner; compare with ``digest()``.
    """

    kind: str
    key: str
    variant: str
    owner_digest: str


def digest(owner: str) -> str:
    """Return a short digest of an owner: a URL must not name a person."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


def expiry(now: float | None = None) -> int:
    """Return the expiry second of a token made now, the same for a whole window."""
    window = max(1, settings.URL_WINDOW)
    start = int(time.time() if now is None else now) // window * window
    return start + window + settings.URL_MAX_AGE


def make(
    kind: str, key: str, variant: str, owner: str, *, expires: int | None = None
) -> str:
    """Return a token. The parts must not contain a dot."""
    parts = (kind, key, variant, digest(owner), format(expires or expiry(), "x"))
    return _signer().sign(".".join(parts))


def read(token: str) -> Token | None:
    """Return what a token says, ``None`` if it is forged, altered or expired."""
    try:
        value = _signer().unsign(token)
        kind, key, variant, owner_digest, expires = value.split(".")
    except (signing.BadSignature, ValueError):
        return None
    if int(expires, 16) < time.time():
        return None
    return Token(kind, key, variant, owner_digest)


def is_signed(token: str) -> bool:
    """Whether a token was made here, expired or not."""
    try:
        _signer().unsign(token)
    except signing.BadSignature:
        return False
    return True


def _signer() -> signing.Signer:
    return signing.Signer(salt=SALT, sep="~")
