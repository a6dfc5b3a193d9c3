"""The rows of one run's image calls, and what a converter knows of them."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from chatkit.types import GeneratedImage, ThreadMetadata
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from .. import cleaning, database, file_urls, models, notes, storage, timing
from ..conf import Limits
from ..context import RequestContext
from ..contexts import given_to
from ..exceptions import NotFoundError, RequestRefused
from ..queries import endings, grants, images, threads
from ..queries.identity import call_key
from ..run_state import current_state
from ..timing import Asked, Timings
from .call_sources import CallSources
from .run_thumbnails import RunThumbnails
from .turns import Turn

Begin = Callable[..., models.GeneratedImage]


class CallRows:
    """Makes the row of each image call of a run, and finds it again.

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
        self.context = given_to(self, context)
        self._checked = threads.is_known(thread)
        self.sources = CallSources()
        # Columns that the source of an image tells beside the image.
        self.told: dict[str, Any] = {}
        # Those of them that the row in the database has.
        self._written: dict[str, Any] = {}
        state = current_state.get()
        # The project's check of each image and preview, if it has one.
        self.check_image = state.check_image if state is not None else None
        # Called with each event of the provider.
        self.heard: Callable[[], None] | None = None
        # Whom the run has asked, and when.
        self.asked = state.asked if state is not None else Asked()
        self._turn = Turn()
        # By their place in the turn, as everything else here.
        self._images: dict[str, models.GeneratedImage] = {}
        # The calls that have repeated an earlier image.
        self._replays: set[str] = set()
        self._keys: dict[str, str] = {}
        self._began: dict[str, datetime.datetime] = {}
        self._timings: dict[str, Timings] = {}
        self._thumbnails = RunThumbnails()
        # The calls whose final has come.
        self._final: set[str] = set()

    async def begin_image(
        self,
        call_id: str,
        *,
        provider_id: str | None = None,
        limits: Limits | None = None,
        **fields: Any,
    ) -> None:
        """Make the row of an image call, before any of its bytes is written.

        Does nothing once the row is known, so it may be tried again.

        Args:
            call_id: What tells the call apart from the others of this converter: its
                place in the turn, or the provider's id.
            provider_id: The provider's id of the call, if ``call_id`` is a place.
            limits: What the person may use, if the image may still be refused.
            fields: Columns of ``GeneratedImage`` known by now, such as ``model``.

        Raises:
            RequestRefused: If the limits refuse the image.
        """
        if call_id not in self._images:
            # Not when the row is made: the database may be away for a while.
            began = self._began.setdefault(call_id, timezone.now())
            if call_id not in self._timings:
                self._timings[call_id] = Timings(self.asked.before())
                self.asked.timings.count("images")
            # If two processes make the row, only the first may use the name in it; the
            # key of the other is in no row. A try that seemed to fail may have made the
            # row, so every try has the same key.
            key = self._keys.setdefault(call_id, storage.new_key())
            with self._about(call_id):
                await self.check_thread()
                named = call_id if provider_id is None else provider_id
                columns = clean_image({**self.asked.image_columns(), **fields})
                if self.check_image is not None:
                    columns["visibility"] = models.Visibility.UNCHECKED
                begun = models.GeneratedImage(created_at=began, **columns)
                found = self.sources.find(call_id, begun, self._arrived())
                begin: Begin = images.begin
                if limits:
                    begin = partial(grants.begin_image, limits)
                try:
                    image = await database.insist(
                        begin,
                        self.thread.id,
                        self._turn.identity(call_id),
                        key,
                        self.context,
                        call_id=call_key(named),
                        created_at=began,
                        timings=self._timings[call_id].figures(),
                        made_from=found,
                        **columns,
                    )
                except RequestRefused:
                    # It never began, and the next one may have its place.
                    self.asked.timings.count("images", -1)
                    del self._began[call_id], self._timings[call_id]
                    raise
            self._images[call_id] = image
            self.sources.noted(call_id, found)

    async def check_thread(self) -> None:
        """Refuse a thread that ``DjangoStore`` has not.

        Raises:
            ImproperlyConfigured: If the thread is that of another store.
        """
        if self._checked or await database.insist(threads.has_row, self.thread):
            self._checked = True
            return
        raise ImproperlyConfigured(
            f"{type(self).__name__} needs a thread of DjangoStore, got "
            f"{self.thread.id!r} of another store. An image is a row of its thread, "
            "and its URL expires unless DjangoStore makes it anew. Use DjangoStore as "
            "the server's store, or with a store of your own ChatKit's "
            "ResponseStreamConverter."
        )

    def message_id(self, call_id: str) -> str:
        """Return the id of the message that replaces an image without a result."""
        image = self._images.get(call_id)
        return endings.message_id(image) if image else ""

    def image(self, call_id: str) -> models.GeneratedImage | None:
        """Return the row of a call, as it is known here, with what its source tells."""
        image = self._images.get(call_id)
        if image is not None and call_id not in self._replays:
            for name, value in clean_image(self.told).items():
                setattr(image, name, value)
        return image

    def is_completed(self, call_id: str) -> bool:
        """Whether the row of a call has its image."""
        image = self._images.get(call_id)
        return image is not None and image.status == image.Status.COMPLETED

    def has_final(self, call_id: str) -> bool:
        """Whether the final of a call that has a row has come."""
        return call_id in self._final and call_id in self._images

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

    def _arrived(self) -> list[models.GeneratedImage]:
        """Return the images of the run whose finals have come, stored or not."""
        return [
            image
            for call_id, image in list(self._images.items())
            if call_id in self._final
        ]

    def _shown(self, call_id: str) -> GeneratedImage:
        image = self._images[call_id]
        if image.is_withheld:
            return notes.withheld(image)
        url = file_urls.image_url(image, self.context)
        return GeneratedImage(id=image.image_id, url=url)

    def _deleted(self, call_id: str) -> GeneratedImage:
        """Return what stands for an image that somebody has deleted meanwhile.

        Raises:
            NotFoundError: If its thread is gone, too.
        """
        if not models.Thread.objects.filter(pk=self.thread.id).exists():
            raise NotFoundError(f"Thread {self.thread.id} not found")
        # No more is written about it.
        self._replays.add(call_id)
        return notes.removed(self._images[call_id])

    @contextmanager
    def _about(self, call_id: str, part: str = "") -> Iterator[Timings]:
        """Count the time within for an image, and say its id in warnings."""
        image, timings = self._images.get(call_id), self._timings[call_id]
        name = call_id if image is None else image.image_id
        with timing.about(name, timings, part):
            yield timings

    def _elapsed_ms(self, call_id: str, until: datetime.datetime | None = None) -> int:
        elapsed = (until or timezone.now()) - self._began[call_id]
        return max(0, round(elapsed.total_seconds() * 1000))


def clean_image(fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns with the provider's texts as every database takes them."""
    return cleaning.clean_columns(models.GeneratedImage, fields)
