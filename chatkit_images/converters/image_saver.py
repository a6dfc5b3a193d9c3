"""The images of one run, saved: rows, files, and URLs for ChatKit."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from chatkit.types import GeneratedImage
from django.db import Error
from django.utils import timezone

from .. import database, file_urls, models, receiving, storage, timing
from ..exceptions import NotFoundError
from ..failures import Reason
from ..imaging import WholeImage
from ..queries import costs, endings, identity, images
from ..run_state import current_run
from . import prepared_forms
from .call_rows import CallRows, clean_image
from .image_check import lets_through, verdict_of

logger = logging.getLogger(__name__)


class ImageSaver(CallRows):
    """Saves each image call of a run: its beginning, what arrives of it, its end."""

    async def save_partial(
        self, call_id: str, index: int, base64_image: WholeImage
    ) -> GeneratedImage | None:
        """Store a partial image. Return ``None`` if it is not wanted any more.

        It is not wanted once the final has come, nor when too many bytes wait for the
        storage.
        """
        elapsed = self._elapsed_ms(call_id)
        if not storage.backlog.fits(len(base64_image)):
            return None
        with self._about(call_id, "preview_"):
            return await self._save_partial(call_id, index, base64_image, elapsed)

    async def _save_partial(
        self, call_id: str, index: int, base64_image: WholeImage, elapsed: int
    ) -> GeneratedImage | None:
        with storage.backlog.hold(len(base64_image)):
            # The threads that decode finals are for finals only. In the threads that
            # store partial images a storage may hang.
            received = await storage.call(
                "partials", receiving.receive_partial, base64_image
            )
        stored, data = received
        row, check = self._images[call_id], self.check_image
        verdict = await verdict_of(check, row, stored, data, self.context)
        if call_id in self._final or not lets_through(verdict):
            return None
        await storage.upload(stored.name, data, lane="aside")

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
        self, call_id: str, base64_image: WholeImage, **fields: Any
    ) -> GeneratedImage:
        """Store the final image. Its row is complete before this returns.

        ``save_thumbnail`` must follow. A replay of a complete image stores nothing.

        Args:
            call_id: The call, as ``begin_image`` got it.
            base64_image: The base64 as the model sent it; bytes if it was read by
                ``ImageHttpxClient``; a ``RawImage`` if the source uses no base64.
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
        arrived_at = fields.setdefault("arrived_at", timezone.now())
        fields |= self.told
        fields["final_ms"] = self._elapsed_ms(call_id, arrived_at)
        with self._about(call_id):
            return await self._save_final(call_id, base64_image, fields)

    async def _save_final(
        self, call_id: str, base64_image: WholeImage, fields: dict[str, Any]
    ) -> GeneratedImage:
        key = self._keys[call_id]
        try:
            arrival = await storage.decode(receiving.receive, base64_image, key)
        finally:
            # It may have waited for its row, too.
            spent = timezone.now() - fields["arrived_at"]
            timing.spend("decode", spent.total_seconds())
        # The thumbnail is made while the storage takes the image, or once it is shown.
        self._thumbnails.keep(call_id, arrival.sketch, begin=arrival.upload.pending)
        try:
            return await self._complete(call_id, arrival, **clean_image(fields))
        except BaseException:
            await self._thumbnails.drop(call_id)
            raise

    async def _complete(
        self, call_id: str, arrival: receiving.Arrival, **fields: Any
    ) -> GeneratedImage:
        image, stored = self._images[call_id], arrival.stored
        timings = self._timings[call_id]
        verdict = await verdict_of(
            *(self.check_image, image, stored, arrival.data, self.context),
            arrived_at=fields.get("arrived_at"),
        )
        with timing.measured("store"):
            is_stored = await arrival.upload.done()
        stored_at = timezone.now()
        timings.note("stored_in", "storage" if is_stored else "spool")

        def note_sources(row: models.GeneratedImage) -> None:
            self._note_sources(call_id, row)

        def complete() -> GeneratedImage:
            earlier = identity.replayed(image, stored.info.sha256)
            if earlier is not None:
                # What is there already is overwritten by nothing.
                images.drop_replay(image, stored)
                self._images[call_id] = earlier
                self._replays.add(call_id)
                return self._shown(call_id)
            columns = {"stored_at": stored_at, "timings": timings.figures(), **fields}
            try:
                images.complete(image, stored, note_sources, verdict, **columns)
            except NotFoundError:
                return self._deleted(call_id)
            self._note_written(image)
            if is_stored:
                # After the row is complete, because recovery needs the file until then.
                # Before the URL is made, because it is not the storage's own while the
                # spool has the file. If this fails, the flush drops the file.
                with suppress(OSError):
                    storage.spool.drop(stored.name)
            return self._shown(call_id)

        shown = await database.insist(complete)
        if call_id not in self._replays:
            self.asked.timings.count("images_completed")
        return shown

    def _note_written(self, image: models.GeneratedImage) -> None:
        """Note what a row, as it is in the database, has of what was told."""
        # A list, as the event loop may add to what was told meanwhile.
        self._written = {name: getattr(image, name) for name in list(self.told)}

    def _note_sources(self, call_id: str, image: models.GeneratedImage) -> None:
        self.sources.save(call_id, image, self._arrived(), self.context)

    async def save_thumbnail(self, call_id: str) -> None:
        """Note the thumbnail of a stored final and send ``image_saved``."""
        if call_id not in self._thumbnails:
            return  # A replay.
        if call_id in self._replays:
            await self._thumbnails.drop(call_id)
            return
        image = self._images[call_id]
        with self._about(call_id) as timings:
            thumbnail = await self._thumbnails.take(call_id)
            image.timings = timings.figures()
            try:
                await database.insist(images.announce, image, thumbnail)
            except Error:
                # The image is complete; without a thumbnail it is shown itself.
                logger.warning("Image %s has no thumbnail", image.pk, exc_info=True)
                # Others have to know of it all the same.
                await database.once(images.announce, image)
        prepared_forms.prepare(image)

    async def save_told(self, call_id: str) -> None:
        """Write what the source of an image has told since its row was written."""
        image = self._images.get(call_id)
        if image is None or call_id in self._replays:
            return
        columns = clean_image(self.told)
        if columns != self._written:
            rows = models.GeneratedImage.objects.filter(pk=image.pk)
            if "cost" in columns:
                # It wins over a cost that was computed before.
                columns["priced_at"] = None
            await database.insist(rows.update, **columns)
        if current_run.get() is None:
            # Those of a run are priced when it ends.
            rows = models.GeneratedImage.objects.filter(pk=image.pk)
            await database.call(costs.price_rows, rows)

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
            image if the call has it already, or what stands for it while it is
            withheld. ``None`` if there is nothing to see.
        """
        image, timings = self._images[call_id], self._timings[call_id]

        def end() -> GeneratedImage | None:
            try:
                if Reason.NOT_SAVED in (fields.get("reason"), fields.get("error_code")):
                    endings.recover_here(image)  # The database is back.
                figures = timings.figures()
                columns = clean_image({**fields, **self.told})
                image.end(status, **{**columns, "timings": figures})
                self._note_written(image)
                if image.has_result:
                    self._note_sources(call_id, image)
            except models.GeneratedImage.DoesNotExist:
                self._deleted(call_id)
                return None
            return self._shown(call_id) if image.has_result else None

        with self._about(call_id):
            return await database.insist(end)
