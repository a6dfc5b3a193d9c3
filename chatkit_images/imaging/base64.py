"""Base64 of images, as models send it."""

from __future__ import annotations

import pybase64

from ..conf import settings
from ..exceptions import ImageError
from . import wrapping
from .formats import is_known
from .placeholders import RawImage


def decode_base64(text: str | bytes | RawImage) -> bytes:
    """Return the bytes of base64, or of an image in wrapped base64.

    Strict base64 is decoded whatever it has. Anything else counts only if its bytes are
    those of an image; see ``wrapping``. Bytes that are an image need no decoding.

    Raises:
        ImageError: If it is empty, too long, or none of both.
    """
    if isinstance(text, RawImage):
        if len(text) > settings.MAX_IMAGE_BYTES:
            raise ImageError("too_large", "The image has too many bytes.")
        if is_known(text.data):
            return text.data
        text = text.data
    if len(text) * 3 // 4 > settings.MAX_IMAGE_BYTES:
        raise ImageError("too_large", "The image has too many bytes.")
    try:
        data = pybase64.b64decode(text, validate=True)
    except ValueError as error:
        if (image := wrapping.unwrap(text)) is not None:
            return image
        raise ImageError("invalid_base64", "The image is not valid base64.") from error
    if not data:
        raise ImageError("empty", "The image has no bytes.")
    if not is_known(data):
        # Base64 of base64 is strict base64, and so are hexadecimal digits.
        return wrapping.unwrap(data) or wrapping.unhex(text) or data
    return data
