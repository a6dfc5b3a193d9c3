"""Checks of the webhook that is told of the ends of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core import checks

from .. import webhooks

LOCAL = ("localhost", "127.0.0.1", "::1")
MAKE = (
    "Make one: python -c \"import base64, secrets; print('whsec_' + "
    'base64.b64encode(secrets.token_bytes(32)).decode())"'
)


def check_webhook(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check the URL of the webhook, and that there are secrets to sign with."""
    url, secret = values.get("WEBHOOK_URL"), values.get("WEBHOOK_SECRET", ())
    if url is not None:
        yield from _check_url(url)
    secrets = [secret] if isinstance(secret, str) else secret
    if not isinstance(secrets, list | tuple):
        # Never the value, as checks are printed.
        yield _bad_secret(f"must be a text or a list, got {type(secret).__name__}.")
        return
    if url is not None and not secrets:
        yield _bad_secret("is not set, and WEBHOOK_URL needs it.")
    for each in secrets:
        try:
            webhooks.key_of(each)
        except ValueError as error:
            yield _bad_secret(f"is not valid: {error}")


def _check_url(url: Any) -> Iterator[checks.CheckMessage]:
    try:
        parts = urlsplit(url)
        host, known = parts.hostname, parts.scheme in ("http", "https")
        _ = parts.port  # Which may be no number.
    except (TypeError, ValueError, AttributeError):
        host, known = None, False
    if not host or not known:
        yield checks.Error(
            f"CHATKIT_IMAGES['WEBHOOK_URL'] must be an absolute URL, got {url!r}.",
            hint='Write scheme and host, such as "https://shop.example/chatkit-ends/".',
            id="chatkit_images.E036",
        )
    elif parts.scheme == "http" and host not in LOCAL:
        yield checks.Warning(
            f"CHATKIT_IMAGES['WEBHOOK_URL'] sends who has chatted to {host!r} in plain "
            "text.",
            hint="Use https, or silence this in a network that nobody else reads.",
            id="chatkit_images.W032",
        )


def _bad_secret(why: str) -> checks.CheckMessage:
    return checks.Error(
        f"CHATKIT_IMAGES['WEBHOOK_SECRET'] {why}",
        hint=MAKE,
        id="chatkit_images.E037",
    )
