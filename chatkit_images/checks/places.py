"""Checks of where files go: to which directory or service, and by which URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core import checks
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.urls import Resolver404, resolve

from ..failures.remedies import SENTENCES
from ..storage import s3

# What is asked for to see whether a URLconf serves the storage.
NAME = "chatkit_images/images/00/00000000000000000000000000000000.png"


def check_place(
    alias: str, storage: Storage, values: dict[str, Any]
) -> Iterator[checks.CheckMessage]:
    """Check where a storage writes, and where its URLs lead.

    Args:
        alias: Its name in ``STORAGES``.
        storage: The storage.
        values: ``CHATKIT_IMAGES``.
    """
    if isinstance(storage, FileSystemStorage) and _is_relative(storage.base_location):
        yield _depends(
            f"STORAGES[{alias!r}] has no directory of its own"
            if not storage.base_location
            else f"STORAGES[{alias!r}] has a relative directory",
            'Write MEDIA_ROOT = BASE_DIR / "media".',
        )
    spool = values.get("SPOOL_DIR")
    if not spool or _is_relative(spool):
        yield _depends(
            "CHATKIT_IMAGES['SPOOL_DIR'] is "
            + ("not set" if not spool else f"relative ({str(spool)!r})"),
            'Write "SPOOL_DIR": BASE_DIR / "spool", on a disk that outlives a '
            "deployment.",
        )
    if s3.wants_checksums(storage):
        yield checks.Warning(
            f"STORAGES[{alias!r}] sends checksums, which services other than Amazon's "
            "may refuse.",
            hint=SENTENCES["storage_checksum"],
            id="chatkit_images.W012",
        )
    if values.get("IMAGE_URLS") == "storage" and (why := _unserved(storage)):
        yield checks.Warning(
            f"CHATKIT_IMAGES['IMAGE_URLS'] is 'storage', and {why}.",
            hint='Write "IMAGE_URLS": "signed": the app serves the images then.',
            id="chatkit_images.W013",
        )
    elif values.get("IMAGE_URLS") == "storage":
        yield from _check_hidden(alias, storage, values)


def _check_hidden(
    alias: str, storage: Storage, values: dict[str, Any]
) -> Iterator[checks.CheckMessage]:
    """Check that URLs of the storage's own do not open hidden images for ever."""
    if values.get("MOVE_HIDDEN") or values.get("FILE_CIPHER") is not None:
        return
    signs = s3.has_plain_urls(storage) and getattr(storage, "querystring_auth", False)
    if not signs:
        yield checks.Warning(
            f"Nothing says that URLs of STORAGES[{alias!r}] expire, so those of images "
            "that staff hide may open them for ever.",
            hint="Set MOVE_HIDDEN to True, which gives the file of a hidden image "
            'another name; or IMAGE_URLS to "signed".',
            id="chatkit_images.W033",
        )


def _is_relative(path: Any) -> bool:
    return not os.path.isabs(os.fspath(path))


def _depends(what: str, hint: str) -> checks.CheckMessage:
    return checks.Warning(
        f"{what}: where files go depends on the directory in which a process starts.",
        hint=hint,
        id="chatkit_images.W009",
    )


def _unserved(storage: Storage) -> str:
    """Return why nobody serves the URLs of a storage; empty if somebody may."""
    name = type(storage).__name__
    if type(storage).url is Storage.url:
        return f"{name} has no url()"
    if isinstance(storage, InMemoryStorage):
        return f"nobody serves the files of {name}"
    if not isinstance(storage, FileSystemStorage):
        return ""
    if type(storage).url is not FileSystemStorage.url:
        return ""
    if storage.base_url in (None, "", "/"):
        return "MEDIA_URL is not set"
    parts = urlsplit(str(storage.base_url))
    if parts.netloc or not django_settings.DEBUG:
        return ""  # Another server may serve it.
    try:
        resolve(f"{parts.path}{NAME}")
    except Resolver404:
        return f"no route serves {parts.path!r}"
    except Exception:
        return ""  # The URLconf itself has a mistake.
    return ""
