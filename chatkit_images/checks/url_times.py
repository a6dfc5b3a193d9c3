"""A check of how long URLs stay the same and stay valid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.files.storage import Storage

from ..conf import settings
from ..storage import presigned_urls, s3

# Seconds below which a page that is opened again finds little in the browser's cache.
SHORT = 60


def check_times(
    alias: str, storage: Storage, values: dict[str, Any]
) -> Iterator[checks.CheckMessage]:
    """Check ``URL_MAX_AGE`` and ``URL_WINDOW``, also for URLs of the storage's own."""
    try:
        window, age = settings.URL_WINDOW, settings.URL_MAX_AGE
    except (TypeError, ValueError):
        return  # The check of numbers says so.
    if 0 < window < SHORT:
        yield checks.Warning(
            f"The URL of each image is another one after {window} seconds, so browsers "
            "load images again that they have.",
            hint="Set TUNING['URL_WINDOW'] to 900, or remove it.",
            id="chatkit_images.W031",
        )
    if values.get("IMAGE_URLS") != "storage" or not s3.has_plain_urls(storage):
        return
    longest = presigned_urls.LONGEST
    if storage.querystring_auth and age + window > longest:  # type: ignore[attr-defined]
        yield checks.Warning(
            f"A URL of STORAGES[{alias!r}] would be valid for {age} to {age + window} "
            f"seconds, and S3 refuses it after {longest}.",
            hint="Set URL_MAX_AGE and TUNING['URL_WINDOW'] to less than seven days "
            "together.",
            id="chatkit_images.W030",
        )
