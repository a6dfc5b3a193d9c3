"""From the model's stream to rows, files and URLs."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from channels.db import database_sync_to_async
from chatkit.agents import ResponseStreamConverter
from chatkit.types import GeneratedImage, ThreadMetadata
from django.db import InterfaceError, OperationalError

from .. import links, models, storage
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..rows import endings, images, payloads

logger = logging.getLogger(__name__)
# Seconds before a row that the database refused is tried again.
RETRY_PAUSES = (0.1, 0.5, 2.0)


class DjangoResponseStreamConverter(ResponseStreamConverter):
    """Stores the images of one turn and hands out their URLs.

    It works with the SDK's own ``stream_agent_response`` too, which only calls
    ``base64_image_to_url``. ``chatkit_images.agents.stream_agent_response`` uses
    the other methods and keeps more: parallel images, failures, what was asked.

    Args:
        thread: The thread of the turn.
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
        self._began: dict[str, float] = {}

    async def base64_image_to_url(
        self,
        image_id: str,
        base64_image: str,
        partial_image_index: int | None = None,
    ) -> str:
        """Store one preview or the final image and return its URL.

        Raises:
            ImageError: If the bytes are not a picture that is accepted.
            StorageUnavailable: If neither storage nor spool took them.
        """
        await self.begin_image(image_id)
        if partial_image_index is None:
            return (await self.save_final(image_id, base64_image)).url
        saved = await self.save_partial(image_id, partial_image_index, base64_image)
        return saved.url if saved else ""

    def partial_image_index_to_progress(self, partial_image_index: int) -> float:
        """Return the progress after a preview, between 0 and 1; 1 is the final's.

        Without an expected number each preview covers half of what remains.
        """
        if not self.partial_images or partial_image_index >= self.partial_images:
            return 1 - 0.5 ** (partial_image_index + 1)
        return (partial_image_index + 1) / (self.partial_images + 1)

    async def begin_image(self, call_id: str, **fields: Any) -> None:
        """Make the row of an image call, before any of its bytes is written.

        Args:
            call_id: The provider's id of the call.
            fields: Columns of ``GeneratedImage`` known by now, such as ``model``.
        """
        if call_id not in self._images:
            self._began.setdefault(call_id, time.monotonic())
            self._images[call_id] = await database_sync_to_async(images.begin)(
                self.thread.id, call_id, self.context, **_clean(fields)
            )

    async def save_partial(
        self, call_id: str, index: int, base64_image: str
    ) -> GeneratedImage | None:
        """Store a preview; ``None`` if its image has ended meanwhile."""
        elapsed = self._elapsed_ms(call_id)
        stored = await storage.run(images.store_picture, base64_image, thumbnail=False)

        def add() -> GeneratedImage | None:
            partial = images.add_partial(self._images[call_id], index, stored, elapsed)
            if partial is None:
                return None
            # Here, off the loop: a storage may take its time to sign a URL.
            return GeneratedImage(
                id=call_id, url=links.partial_url(partial, self.context)
            )

        return await database_sync_to_async(add)()

    async def save_final(
        self, call_id: str, base64_image: str, **fields: Any
    ) -> GeneratedImage:
        """Store the final image. Its row is complete before this returns.

        Args:
            call_id: The provider's id of the call.
            base64_image: The bytes as the model sent them.
            fields: Columns of ``GeneratedImage`` that the final event tells.
        """
        elapsed = self._elapsed_ms(call_id)
        stored = await storage.run(images.store_picture, base64_image)

        def complete() -> GeneratedImage:
            image = images.complete(
                self._images[call_id], stored, final_ms=elapsed, **_clean(fields)
            )
            return self._shown(image)

        for pause in RETRY_PAUSES:
            try:
                return await database_sync_to_async(complete)()
            except (InterfaceError, OperationalError) as error:
                # The bytes are stored and come only once; their row must follow.
                logger.warning("Image call %s is not in its row: %s", call_id, error)
                await asyncio.sleep(pause)
        return await database_sync_to_async(complete)()

    async def end_image(
        self, call_id: str, status: str, **fields: Any
    ) -> GeneratedImage | None:
        """End an image without its final picture.

        Args:
            call_id: The provider's id of the call.
            status: One of ``GeneratedImage.Status``.
            fields: Columns that tell why, such as ``error_code``.

        Returns:
            What the person sees of it: a stopped image's newest preview, or the
            picture that it had got already; ``None`` if there is nothing to see.
        """
        image = self._images[call_id]

        def end() -> GeneratedImage | None:
            try:
                image.settle(status, **_clean(fields))
            except models.GeneratedImage.DoesNotExist:
                raise NotFoundError(f"Thread {self.thread.id} not found") from None
            return self._shown(image) if image.is_shown else None

        return await database_sync_to_async(end)()

    def message_id(self, call_id: str) -> str:
        """Return the id of the message that stands for an image without a picture."""
        image = self._images.get(call_id)
        return endings.message_id(image) if image else ""

    def _shown(self, image: models.GeneratedImage) -> GeneratedImage:
        self._images[image.call_id] = image
        url = links.image_url(image, self.context)
        return GeneratedImage(id=image.call_id, url=url)

    def _elapsed_ms(self, call_id: str) -> int:
        return round((time.monotonic() - self._began[call_id]) * 1000)


def _clean(fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns of the provider's words as every database takes them."""
    cleaned: dict[str, Any] = payloads.map_strings(fields, payloads.clean)
    return cleaned
