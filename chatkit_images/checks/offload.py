"""Checks of who sends files in place of the app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.files.storage import storages

from ..storage import backend, s3

# A location of nginx, under which the names of files follow.
LOCATION = re.compile(r"/(?:[A-Za-z0-9._~-]+/)+")
REDIRECT = "redirect"


def check_offload(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that each storage has a sender that can send its files."""
    senders = values.get("OFFLOAD", {})
    if not isinstance(senders, dict):
        yield _bad(f"must be a dict, got {type(senders).__name__}")
        return
    for alias, sender in senders.items():
        if alias not in django_settings.STORAGES:
            yield checks.Error(
                f"CHATKIT_IMAGES['OFFLOAD'] names {alias!r}, which is not in STORAGES.",
                hint="Remove it, or write the alias of a storage.",
                id="chatkit_images.E033",
            )
        elif not isinstance(sender, str) or not (
            sender == REDIRECT or LOCATION.fullmatch(sender)
        ):
            yield _bad(f"has no sender for {alias!r}: {sender!r}")
        elif why := _why_not(alias, sender, values):
            yield checks.Warning(
                f"CHATKIT_IMAGES['OFFLOAD'] has no effect on {alias!r}: {why}.",
                hint=f"Remove {alias!r} from it: the app sends these files.",
                id="chatkit_images.W026",
            )


def _bad(what: str) -> checks.CheckMessage:
    return checks.Error(
        f"CHATKIT_IMAGES['OFFLOAD'] {what}.",
        hint='Write {"default": "/_images/"} with an internal location of nginx, or '
        '{"default": "redirect"}.',
        id="chatkit_images.E032",
    )


def _why_not(alias: str, sender: str, values: dict[str, Any]) -> str:
    """Return why the app sends the files of a storage itself; empty if it need not."""
    if values.get("FILE_CIPHER") is not None:
        return "nobody else can decrypt its files"
    try:
        storage = storages.create_storage(django_settings.STORAGES[alias])
    except Exception:
        return ""  # Another check says so.
    if s3.is_plain(storage):
        if s3.opens_by_url(storage, ""):
            return ""
        return "its URLs are not enough to get its objects (SSE-C, RequestPayer)"
    if sender == REDIRECT:
        if backend.is_directory(storage):
            return "its URLs are of the web server, which does not check who asks"
        return ""
    if backend.is_directory(storage):
        return ""
    return "it is neither a FileSystemStorage nor an S3Storage without additions"
