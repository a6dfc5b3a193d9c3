"""From the model's stream to rows, files and URLs."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from chatkit.agents import ResponseStreamConverter
from chatkit.types import GeneratedImage, ThreadMetadata
from django.db import DatabaseError

from .. import database, file_urls, models, receiving, storage
from ..cleaning import clean_columns
from ..context import RequestContext
from ..exceptions import ImageError, NotFoundError, StorageUnavailable
from ..queries import endings, images
from ..run_state import base64_of
from .run_thumbnails import RunThumbnails

logger = logging.getLogger(__name__)


class DjangoResponseStreamConverter(ResponseStreamConverter):
    """Stores the images of one turn and hands out their URLs.

    It works with the SDK's own ``stream_agent_response`` too, which only calls
    ``base64_image_to_url``. ``chatkit_images.agents.stream_agent_response`` uses
    the other methods and keeps more: parallel images, failures, what was asked.

    Args:
        thread: The thread of the run.
        context: Who asked.
        partial_images: How many previews an image is expected to have.
    """

    def __init__(
        self,
        thread: ThreadMetadata,
        context: RequestContext,
        partial_images: int | None = None,
    ) -> None:
        super().__init__(partial_images=partial_images)
        self.thread = thread
        self.context = context
        self._images: dict[str, models.GeneratedImage] = {}
        self._keys: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._thumbnails = RunThumbnails()
        self._preview_urls: dict[str, str] = {}
        # The calls whose final has come.
        self._final: set[str] = set()

    async def base64_image_to_url(
        self,
        image_id: str,
        base64_image: str,
        partial_image_index: int | None = None,
    ) -> str:
        """Store one preview or the final image and return its URL.

        A preview that cannot be stored has the URL of the one before it.

        Raises:
            ImageError: If the final's bytes are not an image that is accepted.
            StorageUnavailable: If neither storage nor spool took them.
        """
        image_id = images.call_key(image_id)
        image = await receiving.whole(base64_of(base64_image))
        await self.begin_image(image_id)
        if partial_image_index is not None:
            return await self._preview_url(image_id, partial_image_index, image)
        try:
            final = await self.save_final(image_id, image)
        except (ImageError, StorageUnavailable) as error:
            await self.end_image(
                image_id, "failed", error_code=error.code, error_message=str(error)
            )
            raise
        await self.save_thumbnail(image_id)
        return final.url

    def partial_image_index_to_progress(self, partial_image_index: int) -> float:
        """Return the progress after a preview, between 0 and 1; 1 is the final's.

        Without an expected number each preview covers half of what remains.
        """
        if not self.partial_images or partial_image_index >= self.partial_images:
            return 1 - 0.5 ** (partial_image_index + 1)
        return (partial_image_index + 1) / (self.partial_images + 1)

    async def _preview_url(
        self, image_id: str, index: int, base64_image: str | bytes
    ) -> str:
        try:
            preview = await self.save_partial(image_id, index, base64_image)
        except (ImageError, StorageUnavailable) as error:
            # ChatKit's own function would end the turn, the final with it.
            logger.warning("A preview of %s is left out: %s", image_id, error)
            preview = None
        if preview is not None:
            self._preview_urls[image_id] = preview.url
        return self._preview_urls.get(image_id, "")

    async def begin_image(self, call_id: str, **fields: Any) -> None:
        """Make the row of an image call, before any of its bytes is written.

        Does nothing once the row is known, so it may be tried again.

        Args:
            call_id: The provider's id of the call.
            fields: Columns of ``GeneratedImage`` known by now, such as ``model``.
        """
        if call_id not in self._images:
            self._began.setdefault(call_id, time.monotonic())
            # Of two processes only the one that made the row may use its name; the
            # other's key is in no row. A try that failed may have made it.
            key = self._keys.setdefault(call_id, storage.new_key())
            image = await database.insist(
                images.begin,
                self.thread.id,
                call_id,
                key,
                self.context,
                **_clean(fields),
            )
            self._images[call_id] = image

    async def save_partial(
        self, call_id: str, index: int, base64_image: str | bytes
    ) -> GeneratedImage | None:
        """Store a preview; ``None`` if it is not wanted any more.

        It is not once the final has come, nor when too many bytes wait for the storage.
        """
        elapsed = self._elapsed_ms(call_id)
        if not storage.backlog.fits(len(base64_image)):
            return None
        with storage.backlog.hold(len(base64_image)):
            # Not where finals are decoded, nor where previews are stored: a storage may
            # hang there.
            received = await storage.scale(receiving.receive_partial, base64_image)
        if call_id in self._final:
            return None
        stored, data = received
        await storage.upload(stored.name, data, aside=True)

        def add() -> GeneratedImage | None:
            partial = images.add_partial(self._images[call_id], index, stored, elapsed)
            if partial is None:
                return None
            # Here, off the loop: a storage may take its time to sign a URL.
            return GeneratedImage(
                id=call_id, url=file_urls.partial_url(partial, self.context)
            )

        # Not insisted on: a preview is disposable.
        return await database.once(add)

    async def save_final(
        self, call_id: str, base64_image: str | bytes, **fields: Any
    ) -> GeneratedImage:
        """Store the final image. Its row is complete before this returns.

        ``save_thumbnail`` must follow. A replay of a complete image stores nothing.

        Args:
            call_id: The provider's id of the call.
            base64_image: The base64 as the model sent it; bytes if it was read by
                ``ImageHttpxClient``.
            fields: Columns of ``GeneratedImage`` that the final event tells.

        Raises:
            ImageError: If the bytes are not an image that is accepted.
            NotFoundError: If the thread was deleted meanwhile.
            StorageUnavailable: If neither storage nor spool took them.
        """
        self._final.add(call_id)
        image = self._images[call_id]
        if image.status == image.Status.COMPLETED:
            return await database.insist(self._shown, image)
        elapsed = self._elapsed_ms(call_id)
        key = self._keys[call_id]
        arrival = await storage.decode(receiving.receive, base64_image, key)
        # Beside the image, if its storage takes its time; else when it is shown.
        self._thumbnails.keep(call_id, arrival.sketch, begin=arrival.upload.pending)
        try:
            return await self._complete(
                image, arrival, final_ms=elapsed, **_clean(fields)
            )
        except BaseException:
            await self._thumbnails.drop(call_id)
            raise

    async def _complete(
        self, image: models.GeneratedImage, arrival: receiving.Arrival, **fields: Any
    ) -> GeneratedImage:
        stored = arrival.stored
        is_stored = await arrival.upload.done()

        def complete() -> GeneratedImage:
            images.complete(image, stored, **fields)
            if is_stored:
                # Not before: until the row is complete a crash needs it. Nor later: the
                # URL is not the storage's while it is there. The flush drops it too.
                with suppress(OSError):
                    storage.spool.drop(stored.name)
            return self._shown(image)

        return await database.insist(complete)

    async def save_thumbnail(self, call_id: str) -> None:
        """Note the thumbnail of a stored final and tell who listens for images."""
        if call_id not in self._thumbnails:
            return  # A replay.
        image, thumbnail = self._images[call_id], await self._thumbnails.take(call_id)
        try:
            await database.insist(images.announce, image, thumbnail)
        except DatabaseError:
            # The image is complete; without a thumbnail it is shown itself.
            logger.warning("Image %s has no thumbnail", image.pk, exc_info=True)

    async def end_image(
        self, call_id: str, status: str, **fields: Any
    ) -> GeneratedImage | None:
        """End an image call without a final image.

        Args:
            call_id: The provider's id of the call.
            status: One of ``GeneratedImage.Status``.
            fields: Columns that tell why, such as ``error_code``.

        Returns:
            What the person sees of it: a stopped image's newest preview, or the
            image that it had got already; ``None`` if there is nothing to see.
        """
        image = self._images[call_id]

        def end() -> GeneratedImage | None:
            try:
                image.settle(status, **_clean(fields))
            except models.GeneratedImage.DoesNotExist:
                raise NotFoundError(f"Thread {self.thread.id} not found") from None
            return self._shown(image) if image.is_shown else None

        return await database.insist(end)

    def message_id(self, call_id: str) -> str:
        """Return the id of the message that stands for an image without a result."""
        image = self._images.get(call_id)
        return endings.message_id(image) if image else ""

    def _shown(self, image: models.GeneratedImage) -> GeneratedImage:
        self._images[image.call_id] = image
        url = file_urls.image_url(image, self.context)
        return GeneratedImage(id=image.call_id, url=url)

    def _elapsed_ms(self, call_id: str) -> int:
        return round((time.monotonic() - self._began[call_id]) * 1000)


def _clean(fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns of the provider's words as every database takes them."""
    return clean_columns(models.GeneratedImage, fields)
