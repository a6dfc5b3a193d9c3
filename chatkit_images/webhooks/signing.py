"""Signatures of Standard Webhooks, which https://www.standardwebhooks.com specifies."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
# Bytes of a key.
FEWEST, MOST = 24, 64


def key_of(secret: object) -> bytes:
    """Return the key in a secret: ``whsec_`` and 24 to 64 bytes in base64.

    Raises:
        ValueError: If it is none. The secret is not in the message.
    """
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        raise ValueError(f"A secret of a webhook begins with {PREFIX}.")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"A secret of a webhook has base64 after {PREFIX}.") from None
    if not FEWEST <= len(key) <= MOST:
        raise ValueError(
            f"The key of a webhook has {FEWEST} to {MOST} bytes, not {len(key)}."
        )
    return key


def headers_of(
    message_id: str, at: int, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """Return the headers that sign a message.

    Args:
        message_id: The same each time that it is sent.
        at: When it is sent, in seconds since 1970.
        body: The message.
        secrets: Each signs it, and the receiver needs to know one of them.

    Raises:
        ValueError: If one of them is no secret, or if there is none.
    """
    if not secrets:
        raise ValueError("A webhook needs a secret.")
    content = f"{message_id}.{at}.".encode() + body
    digests = [hmac.digest(key_of(each), content, hashlib.sha256) for each in secrets]
    signatures = [f"v1,{base64.b64encode(each).decode()}" for each in digests]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }
