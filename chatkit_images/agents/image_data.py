"""The data of an image, in whatever form a project has it, read within bounds."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterable
from contextlib import aclosing, nullcontext
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


# Bytes of a file that are asked for at once. So a file that comes slowly, but comes, is
# not silent.
AT_A_TIME = 256 * 1024
# Has the patience of each thread that reads files.
_reading = threading.local()


async def read(data: ImageData) -> str | RawImage:
    """Return the data of an image: base64 as it is, or bytes.

    A file is read in a thread, from where it stands to its end. No more than
    ``MAX_IMAGE_BYTES`` are read of anything. A file that is silent for
    ``STORAGE_TIMEOUT`` is given up.

    Raises:
        ImageError: If there are more.
        TimeoutError: If a file is silent.
        TypeError: If it is nothing that an image can be read from.
        ValueError: If it is the URL of an image that is elsewhere.
        Exception: What a file or an iterator raises.
    """
    if isinstance(data, str):
        if data[:16].lstrip()[:8].lower().startswith(("http://", "https://")):
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
            found.append(_bytes_of(chunk))
            left -= len(found[-1])
            _check(left)
    return imaging.buffers.join(found)


async def _content_of(file: Any) -> bytes:
    """Return what is in a file from where it stands.

    Some files return less than they are asked for, though they are not at their end:
    those of a socket, of aiohttp, and files without a buffer.
    """
    found: list[bytes] = []
    left = settings.MAX_IMAGE_BYTES
    while True:
        size = min(left + 1, AT_A_TIME)
        if inspect.iscoroutinefunction(file.read):
            content = await file.read(size)
        else:
            content = await awaited(await storage.call("files", _patiently, file, size))
        found.append(_bytes_of(content))
        if not found[-1]:
            return imaging.buffers.join(found)
        left -= len(found[-1])
        _check(left)


def _patiently(file: Any, size: int) -> Any:
    """Read of a file, in a thread that does not wait for ever.

    Raises:
        TimeoutError: If nothing comes. Then the file keeps a thread of its own.
    """
    if not hasattr(_reading, "patience"):
        # A storage has a client for each thread, which takes a while to make.
        _reading.patience = storage.Patience("file")
    patience: storage.Patience = _reading.patience
    return patience.call(file.read, size)


def _bytes_of(value: object) -> bytes:
    if not isinstance(value, Bytes):
        raise _no_bytes(value)
    return bytes(value)


def _check(left: int) -> None:
    if left < 0:
        raise ImageError("too_large", "The image has too many bytes.")


def _no_bytes(value: object) -> TypeError:
    return TypeError(f"An image is read from bytes, got {type(value).__name__}.")
