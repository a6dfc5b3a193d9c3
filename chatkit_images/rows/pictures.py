"""Bytes of pictures on their way to the storage. All of it runs in threads."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from .. import imaging, storage
from ..conf import settings
from ..exceptions import ImageError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredImage:
    """A picture that has a name.

    Attributes:
        name: Its name in the storage.
        info: What its bytes say.
        thumbnail: Name of its thumbnail, empty if it has none.
    """

    name: str
    info: imaging.ImageInfo
    thumbnail: str = ""

    def columns(self) -> dict[str, Any]:
        """Return the columns that a picture and a preview have in common."""
        return {
            "file": self.name,
            "mime": self.info.mime,
            "width": self.info.width,
            "height": self.info.height,
            "bytes": self.info.size,
        }


@dataclass(frozen=True)
class Arrival:
    """A picture that has arrived and is not stored yet.

    Attributes:
        stored: What it will be.
        data: Its bytes; ``None`` if they are in the spool.
        sketch: What its thumbnail is made of, later, as somebody waits for the picture;
            ``None`` if it gets none.
    """

    stored: StoredImage
    data: bytes | None
    sketch: imaging.Sketch | None = None


def receive(text: str | bytes, key: str) -> Arrival:
    """Decode a final picture, put it on a disk if need be, and look at it.

    In that order: until it is on a disk it dies with the process.

    Args:
        text: Strict base64.
        key: What its row has reserved for its name.

    Raises:
        ImageError: If it is not a picture that this project accepts.
    """
    data = imaging.decode_base64(text)
    name = storage.name_of("images", key, imaging.sniff(data)[1])
    whole = imaging.trim(data)
    kept = storage.keep(name, whole)
    try:
        info, sketch = imaging.sketch(whole, settings.THUMBNAIL_SIDE)
    except ImageError:
        storage.spool.drop(name)
        raise
    return Arrival(StoredImage(name, info), None if kept else whole, sketch)


def receive_preview(text: str | bytes) -> Arrival:
    """Decode a preview and look at its outside; its pixels are the browser's.

    Raises:
        ImageError: If it is not a picture that this project accepts.
    """
    data = imaging.trim(imaging.decode_base64(text))
    info = imaging.inspect(data, decode=False)
    name = storage.new_name("images", info.extension)
    return Arrival(StoredImage(name, info), data)


def store(data: bytes, key: str) -> StoredImage:
    """Store a picture and its thumbnail, and wait for both.

    Raises:
        ImageError: If it is not a picture that this project accepts.
        StorageUnavailable: If neither storage nor spool took it.
    """
    info, thumbnail = imaging.examine(data, settings.THUMBNAIL_SIDE)
    name = storage.name_of("images", key, info.extension)
    storage.store(name, data)
    return StoredImage(name, info, store_thumbnail(thumbnail))


def store_thumbnail(data: bytes) -> str:
    """Store a thumbnail and return its name, empty if there is none or it fails.

    The picture itself is stored by then and must not be lost for it.
    """
    if not data:
        return ""
    name = storage.new_name("thumbnails", "webp")
    try:
        storage.store(name, data)
    except Exception:
        logger.warning("A picture is left without a thumbnail", exc_info=True)
        return ""
    return name
