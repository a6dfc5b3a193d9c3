"""Images that arrive: decoded, checked, stored. All but ``whole`` runs in threads."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from . import imaging, storage
from .conf import settings
from .exceptions import ImageError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredImage:
    """An image that has a name.

    Attributes:
        name: Its name in the storage.
        info: What its bytes say.
        thumbnail: Name of its thumbnail, empty if it has none.
        alias: The storage that gets both.
    """

    name: str
    info: imaging.ImageInfo
    thumbnail: str = ""
    alias: str = field(default_factory=storage.current_alias)

    def columns(self) -> dict[str, Any]:
        """Return the columns that an image and a partial image have in common."""
        return {
            "storage_alias": self.alias,
            "file": self.name,
            "mime": self.info.mime,
            "width": self.info.width,
            "height": self.info.height,
            "bytes": self.info.size,
        }

    def blobs(self) -> list[storage.Blob]:
        """Return its files."""
        names = filter(None, (self.name, self.thumbnail))
        return [storage.Blob(name, self.alias) for name in names]


@dataclass(frozen=True)
class Arrival:
    """A final image that has arrived and is being stored.

    Attributes:
        stored: The image as it will be stored.
        upload: The write to the storage.
        sketch: What its thumbnail is made of later, because somebody waits for the
            image now; ``None`` if it gets no thumbnail.
        data: Its bytes.
    """

    stored: StoredImage
    upload: storage.Upload
    sketch: imaging.Sketch | None
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Examined:
    """An image whose pixels are checked, and which is not stored yet."""

    data: bytes
    info: imaging.ImageInfo
    thumbnail: bytes


def receive(text: imaging.WholeImage, key: str) -> Arrival:
    """Decode a final image, begin its upload, and decode its pixels meanwhile.

    The order matters, because an image that is on no disk dies with the process.
    Recovery checks the pixels of a file that it finds before it shows the image.

    Args:
        text: Base64, or bytes in none.
        key: What its row has reserved for its name.

    Raises:
        ImageError: If it is not an image that this project accepts. If only its pixels
            are wrong, its file is deleted when it is written. An image that is too
            complex or too heavy to look at its pixels is kept without a sketch.
        MemoryError: If there is no room for the pixels. The file stays, for the sweep.
    """
    data = imaging.trim(imaging.decode_base64(text), keep=True)
    outside = imaging.check(data, keep=True)
    name = storage.name_of("images", key, outside.info.extension)
    kept = storage.keep(name, data)
    upload = storage.Upload(name, None if kept else data)
    try:
        info, sketch = imaging.sketch(data, settings.THUMBNAIL_SIDE, outside)
    except ImageError:
        upload.discard()
        raise
    return Arrival(StoredImage(name, info), upload, sketch, data)


def receive_partial(text: imaging.WholeImage) -> tuple[StoredImage, bytes]:
    """Decode a partial image and check its container. The browser decodes its pixels.

    Returns:
        The image as it will be stored, and its bytes.

    Raises:
        ImageError: If it is not an image that this project accepts.
    """
    data = imaging.trim(imaging.decode_base64(text))
    info = imaging.inspect(data, decode=False)
    name = storage.new_name("images", info.extension)
    return StoredImage(name, info), data


async def whole(image: imaging.SentImage) -> imaging.WholeImage:
    """Return base64 in one piece. If the pieces are many, a thread joins them."""
    if not isinstance(image, imaging.Base64Image):
        return image
    if len(image) <= imaging.buffers.SLICE:
        return image.join()
    return await storage.decode(image.join)


def examined(text: str) -> Examined:
    """Decode an image that came in an item, and make its thumbnail.

    Raises:
        ImageError: If it is not an image that this project accepts.
    """
    return examine(imaging.trim(imaging.decode_base64(text), keep=True))


def examine(data: bytes) -> Examined:
    """Check an image, and make its thumbnail.

    Raises:
        ImageError: If it is not an image that this project accepts.
    """
    info, thumbnail = imaging.examine(data, settings.THUMBNAIL_SIDE, keep=True)
    return Examined(data, info, thumbnail)


def preview(text: str) -> bytes:
    """Return the thumbnail of a preview in base64; a thumbnail is served as WebP.

    Raises:
        ImageError: If it is not an image that this project accepts.
    """
    return imaging.scale(imaging.decode_base64(text), settings.THUMBNAIL_SIDE)


def store(data: bytes, key: str) -> StoredImage:
    """Store an image and its thumbnail, and wait for both.

    Raises:
        ImageError: If it is not an image that this project accepts.
        StorageUnavailable: If neither storage nor spool took it.
    """
    return put(examine(data), key)


def put(image: Examined, key: str) -> StoredImage:
    """Store an image whose pixels are checked, and its thumbnail; wait for both.

    Raises:
        StorageUnavailable: If neither storage nor spool took it.
    """
    name = storage.name_of("images", key, image.info.extension)
    storage.store(name, image.data)
    return StoredImage(name, image.info, store_thumbnail(image.thumbnail))


def store_thumbnail(data: bytes, alias: str | None = None) -> str:
    """Store a thumbnail and return its name, empty if there is none or it fails.

    The image itself is already stored, and a broken thumbnail must not cost it.

    Args:
        data: The thumbnail.
        alias: The storage that has the image. Default: the one to which new files go.
    """
    if not data:
        return ""
    name = storage.new_name("thumbnails", "webp")
    try:
        storage.store(name, data, alias)
    except Exception:
        logger.warning("An image is left without a thumbnail", exc_info=True)
        return ""
    return name
