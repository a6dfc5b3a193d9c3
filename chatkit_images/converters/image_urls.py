"""URLs by which a provider reads images, for ``MODEL_IMAGES = "signed_url"``."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from .. import file_urls, models
from ..conf import settings
from ..context import RequestContext
from ..fetching.addresses import is_public_url
from ..queries.variants import Original
from . import model_files

logger = logging.getLogger(__name__)
# Hosts of which the log has said that no provider reaches them, and how many it names.
_warned: set[str] = set()
MOST_WARNED = 100


async def of(
    image: models.GeneratedImage, original: Original, context: RequestContext
) -> str:
    """Return the URL of an image in the form for models; empty if its bytes must go.

    The image is read once, when its form is not known. If that had to be made, bytes go
    this time, and the URL of its own file on later turns.

    Raises:
        ImageError: If it cannot be decoded.
        Exception: The storage's own, if it does not answer.
    """
    if settings.MODEL_IMAGES != "signed_url":
        return ""
    url = file_urls.model_url(image, context)
    if not is_public_url(url):
        _warn(url)
        return ""
    made = original.made
    if made is not None and made.name:
        return file_urls.model_url(image, context, "model")
    found = await model_files.image(original) if made is None else made
    # The first bytes of a file that has more behind them have no URL.
    is_whole = found.size == original.size and found.mime != model_files.SVG
    return url if is_whole else ""


def _warn(url: str) -> None:
    host = urlsplit(url).netloc
    if host not in _warned and len(_warned) < MOST_WARNED:
        _warned.add(host)
        logger.warning(
            "The model gets the bytes of images and not their URLs, because no "
            "provider can reach %s: set CHATKIT_IMAGES['BASE_URL'] to a public host",
            host,
        )
