"""Base64 of images, as models send it."""

from __future__ import annotations

import pybase64

from ..conf import settings
from ..exceptions import ImageError


def decode_base64(text: str | bytes) -> bytes:
    """Return the bytes of strict base64.

    Raises:
        ImageError: If it is empty, too long, or not base64 from end to end.
    """
    if len(text) * 3 // 4 > settings.MAX_IMAGE_BYTES:
        raise ImageError("too_large", "The image has too many bytes.")
    try:
        data = pybase64.b64decode(text, validate=True)
    except ValueError as error:
        raise ImageError("invalid_base64", "The image is not valid base64.") from error
    if not data:
        raise ImageError("empty", "The image has no bytes.")
    return data
