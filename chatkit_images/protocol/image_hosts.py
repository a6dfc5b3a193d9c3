"""The hosts from which a client loads the images of a thread's texts."""

from __future__ import annotations

from collections.abc import Awaitable

from chatkit import types
from chatkit.server import ChatKitServer

from .. import file_urls
from ..awaiting import awaited
from ..context import RequestContext
from . import visibility

Hosts = list[str] | None


class ImageHostMixin(ChatKitServer[RequestContext]):
    """Tells a client from which hosts it may load images, in each thread that it gets.

    A model can be talked into writing an image whose URL tells a stranger what the
    chat says.
    """

    def get_allowed_image_domains(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Hosts | Awaitable[Hosts]:
        """Return the hosts from which texts may show images. Default: the app's own.

        These are the host of the request or of ``BASE_URL``, and that of the storage if
        ``IMAGE_URLS`` is ``"storage"``. Override it to add some, or return ``None`` for
        all hosts, as in ChatKit. A thread that says it by itself is not asked about. It
        is called whenever a client gets the thread, several times in a list of threads.
        """
        return file_urls.image_hosts(context)

    async def shown_thread(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.Thread:
        """Return a thread as a client gets it, with the hosts of its images."""
        shown = self._to_thread_response(thread)
        await self._tell(shown, context)
        return shown

    async def tell_hosts(
        self, event: types.ThreadStreamEvent, context: RequestContext
    ) -> None:
        """Put the hosts of images into the thread of an event that is sent."""
        if isinstance(event, types.ThreadCreatedEvent | types.ThreadUpdatedEvent):
            await self._tell(event.thread, context)

    async def _tell(self, shown: types.ThreadMetadata, context: RequestContext) -> None:
        if shown.allowed_image_domains is None:
            full = visibility.with_metadata(shown)
            hosts = await awaited(self.get_allowed_image_domains(full, context))
            shown.allowed_image_domains = hosts
