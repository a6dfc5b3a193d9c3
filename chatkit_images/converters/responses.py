"""ChatKit's converter of a model's stream, with images in the project's storage."""

from __future__ import annotations

import logging

from agents import RunConfig
from chatkit.agents import ResponseStreamConverter
from chatkit.types import ThreadMetadata

from .. import receiving
from ..context import RequestContext
from ..exceptions import ImageError, StorageUnavailable
from ..fetching import fetch_image
from ..imaging import WholeImage
from ..queries.identity import call_key
from ..run_state import base64_of
from .image_saver import ImageSaver

logger = logging.getLogger(__name__)


class DjangoResponseStreamConverter(ImageSaver, ResponseStreamConverter):
    """Stores the images of one run and hands out their URLs.

    The SDK's own ``stream_agent_response`` calls ``base64_image_to_url`` only.
    ``chatkit_images.agents.stream_agent_response`` calls the methods of ``ImageSaver``,
    and so keeps parallel images, failures and the columns of the request too.

    Args:
        thread: The thread of the run.
        context: Who asked.
        partial_images: How many partial images an image is expected to have.

    Attributes:
        keeps_tool_images: Whether images that tools return to the model are shown and
            kept, too: those of function tools, of MCP servers and of code interpreter.
            A subclass may override it, and so may the server.
        run_config: The settings of the agent's run, if they are known.
    """

    keeps_tool_images = False
    run_config: RunConfig | None = None

    def __init__(
        self,
        thread: ThreadMetadata,
        context: RequestContext,
        partial_images: int | None = None,
    ) -> None:
        super().__init__(thread, context, partial_images=partial_images)
        # The URL of the newest partial image of each call.
        self._partial_urls: dict[str, str] = {}

    async def base64_image_to_url(
        self,
        image_id: str,
        base64_image: str,
        partial_image_index: int | None = None,
    ) -> str:
        """Store one partial image or the final image and return its URL.

        A partial image that cannot be stored has the URL of the one before it.

        Raises:
            ImageError: If the final's bytes are not an image that is accepted.
            StorageUnavailable: If neither storage nor spool took them.
        """
        image_id = call_key(image_id)
        image = await receiving.whole(base64_of(base64_image))
        await self.begin_image(image_id)
        if partial_image_index is not None:
            return await self._partial_url(image_id, partial_image_index, image)
        try:
            final = await self.save_final(image_id, image)
        except (ImageError, StorageUnavailable) as error:
            await self.end_image(
                image_id, "failed", error_code=error.code, error_message=str(error)
            )
            raise
        await self.save_thumbnail(image_id)
        return final.url

    async def fetch_tool_image(self, url: str) -> bytes:
        """Read an image that a tool has returned as a URL; a subclass may override it.

        By default it is read from public addresses by ``https`` alone. Return the
        bytes, with ``fetch_image(url, allowed_hosts=...)`` for hosts of your own.

        Raises:
            Exception: Whatever keeps it from being read. The image is left out then.
        """
        return await fetch_image(url)

    def partial_image_index_to_progress(self, partial_image_index: int) -> float:
        """Return the progress after a partial image, below 1, which is the final's.

        Without an expected number each partial image covers half of what remains.
        """
        if not self.partial_images or partial_image_index >= self.partial_images:
            return 1 - 0.5 ** (partial_image_index + 1)
        return (partial_image_index + 1) / (self.partial_images + 1)

    async def _partial_url(
        self, image_id: str, index: int, base64_image: WholeImage
    ) -> str:
        try:
            partial = await self.save_partial(image_id, index, base64_image)
        except (ImageError, StorageUnavailable) as error:
            # ChatKit's own function would end the run and lose the final with it.
            logger.warning("A partial image of %s is left out: %s", image_id, error)
            partial = None
        if partial is not None:
            self._partial_urls[image_id] = partial.url
        return self._partial_urls.get(image_id, "")
