"""The data of an image, in whatever form a project has it, read within bounds."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable
from contextlib import aclosing, nullcontext
from functools import partial
from typing import IO, Any, TypeAlias

from django.core.files import File

from .. import imaging, storage
from ..awaiting import awaited
from ..conf import settings
from ..exceptions import ImageError
from ..imaging import RawImage

Bytes = bytes | bytearray | memoryview
# Django's File is generic for type checkers only.
ImageData: TypeAlias = "Bytes | str | IO[bytes] | File[Any] | AsyncIterable[bytes]"
"""Bytes, base64 or a ``data:`` URL, a file that is open for bytes, or bytes that come
one after the other."""
FORMS = (
    "bytes, base64, a data: URL, a file that is open for bytes, or an asynchronous "
    "iterator of bytes"
)


async def read(data: ImageData) -> str | RawImage:
    """Return the data of an image: base64 as it is, or bytes.

    A file is read in a thread, from where it stands. No more than ``MAX_IMAGE_BYTES``
    are read of anything.

    Raises:
        ImageError: If there are more.
        TypeError: If it is nothing that an image can be read from.
        ValueError: If it is the URL of an image that is elsewhere.
        Exception: What a file or an iterator raises.
    """
    if isinstance(data, str):
        if data[:8].lower().startswith(("http://", "https://")):
            raise ValueError(
                "An image cannot be given by its URL. Read its bytes with "
                "chatkit_images.fetching.fetch_image(url), which bounds what is read "
                "and refuses private addresses."
            )
        return data
    if isinstance(data, Bytes):
        return RawImage(bytes(data))
    if isinstance(data, AsyncIterable) and not callable(getattr(data, "read", None)):
        return RawImage(await _all_of(data))
    if callable(getattr(data, "read", None)):
        return RawImage(await _content_of(data))
    raise TypeError(f"An image is {FORMS}, got {type(data).__name__}.")


async def _all_of(chunks: AsyncIterable[bytes]) -> bytes:
    """Return what an iterator yields. It is closed, also if it yields too much."""
    found: list[bytes] = []
    left = settings.MAX_IMAGE_BYTES
    closing: Any = aclosing if hasattr(chunks, "aclose") else nullcontext
    async with closing(chunks):
        async for chunk in chunks:
            if not isinstance(chunk, Bytes):
                raise _no_bytes(chunk)
            left -= len(chunk)
            _check(left)
            found.append(bytes(chunk))
    return imaging.buffers.join(found)


async def _content_of(file: Any) -> bytes:
    most = settings.MAX_IMAGE_BYTES
    read = partial(file.read, most + 1)
    if inspect.iscoroutinefunction(file.read):
        content = await read()
    else:
        content = await awaited(await storage.call("aside", read))
    if not isinstance(content, Bytes):
        raise _no_bytes(content)
    _check(most - len(content))
    return bytes(content)


def _check(left: int) -> None:
    if left < 0:
        raise ImageError("too_large", "The image has too many bytes.")


def _no_bytes(value: object) -> TypeError:
    return TypeError(f"An image is read from bytes, got {type(value).__name__}.")
