"""A check of the URLs by which providers read images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

from ..fetching.addresses import is_public_url


def check_model_urls(values: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    """Check that a provider can read images at the host that URLs name."""
    if values.get("MODEL_IMAGES") != "signed_url":
        return
    url = values.get("BASE_URL")
    if url is None:
        yield checks.Warning(
            "CHATKIT_IMAGES['MODEL_IMAGES'] is 'signed_url' without a BASE_URL: a "
            "provider reads images at whatever host the person's request was for.",
            hint='Set BASE_URL to the public host, such as "https://shop.example".',
            id="chatkit_images.W025",
        )
    elif not is_public_url(str(url)):
        yield checks.Error(
            "CHATKIT_IMAGES['MODEL_IMAGES'] is 'signed_url', but no provider can reach "
            f"the BASE_URL {url!r}.",
            hint='Set BASE_URL to the public host, or MODEL_IMAGES to "data_url".',
            id="chatkit_images.E031",
        )
