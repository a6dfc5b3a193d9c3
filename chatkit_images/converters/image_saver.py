"""The images of one run, saved: rows, files, and URLs for ChatKit."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from chatkit.types import GeneratedImage, ThreadMetadata
from django.db import DatabaseError

from .. import cleaning, database, file_urls, models, receiving, storage
from ..context import RequestContext
from ..exceptions import NotFoundError
from ..queries import endings, identity, images, sources
from ..queries.identity import call_key
from ..queries.inputs import InputFile
from .run_thumbnails import RunThumbnails
from .turns import Turn

logger = logging.getLogger(__name__)


class ImageSaver:
    """Saves each image call of a run: its beginning, what arrives of it, its end.

    Args:
        thread: The thread of the run.
        context: Who asked.
        options: Arguments of the next base class.
    """

    def __init__(
        self, thread: ThreadMetadata, context: RequestContext, **options: Any
    ) -> None:
        # A project's converter may have further base classes.
        super().__init__(**options)
        self.thread = thread
        self.context = context
        # The images and files that went along to the model.
        self.inputs: Sequence[InputFile] = ()
        self._turn = Turn()
        # By their place in the turn, as everything else here.
        self._images: dict[str, models.GeneratedImage] = {}
        # The calls that have repeated an earlier image.
        self._replays: set[str] = set()
        self._keys: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._thumbnails = RunThumbnails()
        # The calls whose final has come.
        self._final: set[str] = set()

    async def begin_image(
        self, call_id: str, *, provider_id: str | None = None, **fields: Any
    ) -> None:
        """Make the row of an image call, before any of its bytes is written.

        Does nothing once the row is known, so it may be tried again.

        Args:
            call_id: What tells the call apart from the others of this converter: its
                place in the turn, or the provider's id.
            provider_id: The provider's id of the call, if ``call_id`` is a place.
            fields: Columns of ``GeneratedImage`` known by now, such as ``model``.
        """
        if call_id not in self._images:
            self._began.setdefault(call_id, time.monotonic())
            # If two processes make the row, only the first may use the name in it; the
            # key of the other is in no row. A try that seemed to fail may have made the
            # row, so every try has the same key.
            key = self._keys.setdefault(call_id, storage.new_key())
            image = await database.insist(
                images.begin,
                self.thread.id,
                self._turn.place(call_id),
                key,
                self.context,
                call_id=call_key(call_id if provider_id is None else provider_id),
                **_clean(fields),
            )
            self._images[call_id] = image

    async def save_partial(
        self, call_id: str, index: int, base64_image: str | bytes
    ) -> GeneratedImage | None:
        """Store a partial image. Return ``None`` if it is not wanted any more.

        It is not wanted once the final has come, nor when too many bytes wait for the
        storage.
        """
        elapsed = self._elapsed_ms(call_id)
        if not storage.backlog.fits(len(base64_image)):
            return None
        with storage.backlog.hold(len(base64_image)):
            # The threads that decode finals are for finals only. In the threads that
            # store partial images a storage may hang.
            received = await storage.scale(receiving.receive_partial, base64_image)
        if call_id in self._final:
            return None
        stored, data = received
        await storage.upload(stored.name, data, aside=True)

        def add() -> GeneratedImage | None:
            partial = images.add_partial(self._images[call_id], index, stored, elapsed)
            if partial is None:
                return None
            # In this thread, because a storage may take its time to sign a URL.
            return GeneratedImage(
                id=partial.image.image_id,
                url=file_urls.partial_url(partial, self.context),
            )

        # It is tried once only, because a partial image is disposable.
        return await database.once(add)

    async def save_final(
        self, call_id: str, base64_image: str | bytes, **fields: Any
    ) -> GeneratedImage:
        """Store the final image. Its row is complete before this returns.

        ``save_thumbnail`` must follow. A replay of a complete image stores nothing.

        Args:
            call_id: The call, as ``begin_image`` got it.
            base64_image: The base64 as the model sent it; bytes if it was read by
                ``ImageHttpxClient``.
            fields: Columns of ``GeneratedImage`` from the final event.

        Raises:
            ImageError: If the bytes are not an image that is accepted.
            NotFoundError: If the thread was deleted meanwhile.
            StorageUnavailable: If neither storage nor spool took them.
        """
        self._final.add(call_id)
        image = self._images[call_id]
        if image.status == image.Status.COMPLETED:
            return await database.insist(self._shown, call_id)
        elapsed = self._elapsed_ms(call_id)
        key = self._keys[call_id]
        arrival = await storage.decode(receiving.receive, base64_image, key)
        # The thumbnail is made while the storage takes the image. If the storage has
        # done so already, the thumbnail waits until the image is shown.
        self._thumbnails.keep(call_id, arrival.sketch, begin=arrival.upload.pending)
        try:
            return await self._complete(
                call_id, arrival, final_ms=elapsed, **_clean(fields)
            )
        except BaseException:
            await self._thumbnails.drop(call_id)
            raise

    async def _complete(
        self, call_id: str, arrival: receiving.Arrival, **fields: Any
    ) -> GeneratedImage:
        image, stored = self._images[call_id], arrival.stored
        is_stored = await arrival.upload.done()

        def complete() -> GeneratedImage:
            earlier = identity.replayed(image, stored.info.sha256)
            if earlier is not None:
                # What is there already is overwritten by nothing.
                images.drop_replay(image, stored)
                self._images[call_id] = earlier
                self._replays.add(call_id)
                return self._shown(call_id)
            if images.complete(image, stored, **fields):
                sources.save(image, self.inputs, self.context)
            if is_stored:
                # After the row is complete, because recovery needs the file until then.
                # Before the URL is made, because it is not the storage's own while the
                # spool has the file. If this fails, the flush drops the file.
                with suppress(OSError):
                    storage.spool.drop(stored.name)
            return self._shown(call_id)

        return await database.insist(complete)

    async def save_thumbnail(self, call_id: str) -> None:
        """Note the thumbnail of a stored final and send ``image_saved``."""
        if call_id not in self._thumbnails:
            return  # A replay.
        if call_id in self._replays:
            await self._thumbnails.drop(call_id)
            return
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
            call_id: The call, as ``begin_image`` got it.
            status: One of ``GeneratedImage.Status``.
            fields: Columns that tell why, such as ``error_code``.

        Returns:
            What the person sees: the newest partial image of a stopped call, or the
            image if the call has it already. ``None`` if there is nothing to see.
        """
        image = self._images[call_id]

        def end() -> GeneratedImage | None:
            try:
                image.end(status, **_clean(fields))
            except models.GeneratedImage.DoesNotExist:
                raise NotFoundError(f"Thread {self.thread.id} not found") from None
            return self._shown(call_id) if image.is_shown else None

        return await database.insist(end)

    def message_id(self, call_id: str) -> str:
        """Return the id of the message that replaces an image without a result."""
        image = self._images.get(call_id)
        return endings.message_id(image) if image else ""

    def next_stream(self) -> int:
        """Return a number that tells the calls of a stream from those of others."""
        return next(self._turn.streams)

    def keys(self, call_ids: Iterable[str]) -> list[uuid.UUID]:
        """Return the primary keys of the images that calls have made here."""
        return [
            self._images[call_id].pk
            for call_id in call_ids
            if call_id in self._images and call_id not in self._replays
        ]

    def _shown(self, call_id: str) -> GeneratedImage:
        image = self._images[call_id]
        url = file_urls.image_url(image, self.context)
        return GeneratedImage(id=image.image_id, url=url)

    def _elapsed_ms(self, call_id: str) -> int:
        return round((time.monotonic() - self._began[call_id]) * 1000)


def _clean(fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns with the provider's texts as every database takes them."""
    return cleaning.clean_columns(models.GeneratedImage, fields)
