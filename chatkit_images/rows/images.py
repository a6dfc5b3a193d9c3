"""Rows and files of generated images: intent row, blob, state, in that order."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from chatkit import types
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from .. import imaging, models, signals, storage
from ..conf import settings
from ..context import RequestContext, current_run
from ..exceptions import ImageError
from . import threads

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredImage:
    """A picture that is in the storage.

    Attributes:
        name: Its name there.
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


def store_picture(text: str, thumbnail: bool = True) -> StoredImage:
    """Decode base64, look at the bytes and write them. For a storage thread.

    Raises:
        ImageError: If it is not a picture that this project accepts.
        StorageUnavailable: If neither storage nor spool took it.
    """
    data = imaging.decode_base64(text)
    info = imaging.inspect(data)
    name = storage.new_name("images", info.extension)
    storage.store(name, data)
    wanted = thumbnail and info.mime in imaging.INLINE
    return StoredImage(name, info, store_thumbnail(data) if wanted else "")


def begin(
    thread_id: str, call_id: str, context: RequestContext, **fields: Any
) -> models.GeneratedImage:
    """Return the row of an image call, made before any of its bytes is written.

    A replayed call id finds its row, whatever state that is in.
    """
    thread = threads.get(thread_id, context)
    image, _ = thread.images.get_or_create(
        call_id=call_id,
        defaults={"run_id": current_run.get(), "prompt": last_words(thread), **fields},
    )
    return image


def add_partial(
    image: models.GeneratedImage, index: int, stored: StoredImage, elapsed_ms: int
) -> models.PartialImage | None:
    """Note a stored preview; ``None`` if the image has ended meanwhile."""
    with transaction.atomic():
        counted = (
            models.GeneratedImage.objects.filter(pk=image.pk)
            .unfinished()
            .update(partial_count=F("partial_count") + 1)
        )
        models.GeneratedImage.objects.filter(pk=image.pk, first_partial_ms=None).update(
            first_partial_ms=elapsed_ms
        )
        if not counted:
            models.DeletedFile.objects.discard([stored.name])
            return None
        partial, created = image.partials.get_or_create(
            index=index, defaults=stored.columns()
        )
        if not created:
            models.DeletedFile.objects.discard([stored.name])
    return partial


def complete(
    image: models.GeneratedImage, stored: StoredImage, **fields: Any
) -> models.GeneratedImage:
    """Make a stored picture the image's own and drop its previews.

    A complete image keeps its picture: a replay changes nothing. A final that comes
    after the image was stopped or interrupted replaces the preview shown for it.
    """
    with transaction.atomic():
        rows = models.GeneratedImage.objects.select_for_update().filter(pk=image.pk)
        before = rows.exclude(status=models.GeneratedImage.Status.COMPLETED).first()
        if before is None:
            models.DeletedFile.objects.discard([stored.name, stored.thumbnail])
        else:
            models.DeletedFile.objects.discard([str(before.file.name)])
            rows.update(
                **stored.columns(),
                **fields,
                thumbnail=stored.thumbnail,
                sha256=stored.info.sha256,
                status=models.GeneratedImage.Status.COMPLETED,
                finished_at=timezone.now(),
            )
            if not settings.KEEP_PARTIAL_IMAGES:
                image.partials.all().delete()
    image.refresh_from_db()
    if before is not None:
        signals.image_saved.send_robust(models.GeneratedImage, image=image)
    return image


def save_inline(
    thread: models.Thread, call_id: str, text: str
) -> models.GeneratedImage | None:
    """Return the row of a ``data:`` image found in an item, its bytes stored.

    Returns:
        ``None`` if the bytes are no picture.
    """
    try:
        data = imaging.decode_base64(text)
        info = imaging.inspect(data)
    except ImageError as error:
        logger.warning("An inline image of thread %s is no picture: %s", thread, error)
        return None
    key = call_id or f"inline-{info.sha256[:32]}"
    image, created = thread.images.get_or_create(
        call_id=key, defaults={"run_id": current_run.get(), "prompt": ""}
    )
    if created or not image.file:
        complete(image, store_picture(text))
    return image


def last_words(thread: models.Thread) -> str:
    """Return the text of a thread's newest user message."""
    row = thread.items.filter(type="user_message").order_by("-created_at", "-pk")[:1]
    content = row[0].payload.get("content", []) if row else []
    return "".join(
        part["text"] for part in content if part.get("type") == "input_text"
    ).strip()


def of_item(
    item: types.GeneratedImageItem, context: RequestContext
) -> models.GeneratedImage | None:
    """Return the row of an item's image, ``None`` if it has no file."""
    if item.image is None:
        return None
    return (
        models.GeneratedImage.objects.for_owner(context.owner)
        .filter(thread_id=item.thread_id, call_id=item.image.id)
        .exclude(file="")
        .first()
    )


def store_thumbnail(data: bytes) -> str:
    """Store a picture's thumbnail and return its name, empty if that fails.

    The picture itself is stored by then and must not be lost for it.
    """
    name = storage.new_name("thumbnails", "webp")
    try:
        storage.store(name, imaging.scale(data, settings.THUMBNAIL_SIDE))
    except Exception:
        logger.warning("A picture is left without a thumbnail", exc_info=True)
        return ""
    return name
