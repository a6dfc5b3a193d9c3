"""Rows of the images that items bring as ``data:`` URLs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from types import MappingProxyType

from .. import models
from ..conf import settings
from ..context import RequestContext
from ..receiving import StoredImage
from ..run_state import current_state
from ..verdicts import Verdict
from . import fence, images, threads
from .identity import call_key

logger = logging.getLogger(__name__)
# How many images of one item are stored. Each takes a decoding and a write.
MAX_INLINE = 20
# Call id, which is empty in a text, and base64.
Sent = tuple[str, str]
Stored = Mapping[Sent, models.GeneratedImage | None]
NOTHING: Stored = MappingProxyType({})


class Unstored(Exception):
    """An item has images whose bytes are not stored yet.

    Attributes:
        images: What was sent of each, within the bounds for one item.
    """

    def __init__(self, images: list[Sent]) -> None:
        super().__init__(f"{len(images)} images are not stored.")
        self.images = images


class Wanted:
    """The images that an item needs: those that are stored, and those that are not."""

    def __init__(self, stored: Stored | None) -> None:
        self._stored = stored
        self._missing: dict[Sent, None] = {}
        self._size = self._left_out = 0

    def find(self, call_id: str, text: str) -> models.GeneratedImage | None:
        """Return the row of an image, ``None`` if it is left out or not stored yet."""
        sent = call_id, text
        if self._stored is not None:
            return self._stored.get(sent)
        if sent not in self._missing:
            size = self._size + len(text) * 3 // 4
            if len(self._missing) < MAX_INLINE and size <= settings.MAX_IMAGE_BYTES:
                self._missing[sent], self._size = None, size
            else:
                self._left_out += 1
        return None

    def check(self) -> None:
        """Raise ``Unstored`` if there are images to store first."""
        if self._left_out:
            logger.warning("An item has too many inline images")
        if self._missing:
            raise Unstored(list(self._missing))

    @property
    def keys(self) -> list[uuid.UUID]:
        """Return the keys of the stored images."""
        return [image.pk for image in (self._stored or {}).values() if image]


def begin(
    thread_id: str, call_id: str, sha256: str, context: RequestContext
) -> models.GeneratedImage:
    """Return the row of an image of an item, which has a file if it came before.

    Raises:
        NotFoundError: If the owner has no such thread.
    """
    thread = threads.get(thread_id, context)
    digest = sha256[:32]
    key = call_key(call_id) or f"inline-{digest}"
    same = thread.images.filter(call_id=key, sha256=sha256)
    image: models.GeneratedImage | None = same.order_by("pk").first()
    if image is None:
        values = {
            "call_id": key,
            "run": images.own_run(),
            "prompt": "",
            "source": models.GeneratedImage.Source.INLINE,
        }
        if (state := current_state.get()) is not None and state.check_image:
            values["visibility"] = models.Visibility.UNCHECKED
        # Two images with one name are two images.
        identity = f"inline:{digest}:{key}"
        with fence.thread_first(thread.pk):
            image, _ = thread.images.get_or_create(identity=identity, defaults=values)
    return image


def complete(
    image: models.GeneratedImage, stored: StoredImage, verdict: Verdict | None = None
) -> None:
    """Give an image of an item its file.

    Raises:
        NotFoundError: If its thread was deleted meanwhile.
    """
    images.complete(image, stored, verdict=verdict)
    images.announce(image)
