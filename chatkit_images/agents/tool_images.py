"""Images that tools return to the model: kept and shown, or told of in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from functools import partial
from itertools import count
from typing import Any

import pybase64
from agents import Agent, RunConfig, RunItem, RunResultStreaming, StreamEvent
from openai import AsyncOpenAI
from openai.types.responses.response_output_item import ImageGenerationCall

from .. import imaging, storage
from ..queries import own_urls
from . import container_files, finals, providers, tool_ends, tool_outputs
from .tool_outputs import FoundImage
from .tracker import ImageTracker

logger = logging.getLogger(__name__)
# Images of the tools of one answer that are kept. A tool may return any number.
MOST = 20
_numbers = count()


class ToolImages:
    """Takes the images that the tools of a run return, each once.

    They are kept if the converter says so, beside what the model gets. One that cannot
    be read costs a line in the log, and not the answer.

    Args:
        tracker: Has the image calls of the stream in which they are shown.
        result: The run.
    """

    def __init__(
        self,
        tracker: ImageTracker,
        result: RunResultStreaming,
    ) -> None:
        self._tracker = tracker
        self._converter = tracker.converter
        # Whose model has made what comes next. The run itself may be ahead.
        self._agent: Agent[Any] | None = getattr(result, "current_agent", None)
        tool_ends.watch(getattr(result, "context_wrapper", None), self._take_result)
        self._known: set[Hashable] = set()
        # Those that are not to be kept.
        self._left: list[FoundImage] = []
        self._reads: set[asyncio.Future[str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        # Those of them that announce what a tool has returned.
        self._early: set[asyncio.Task[None]] = set()
        # One image is announced before the next one is compared with it.
        self._keeping = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether an image is on its way."""
        return bool(self._tasks)

    async def take(
        self,
        found: Iterable[FoundImage],
        client: Callable[[], AsyncOpenAI | None] | None = None,
    ) -> None:
        """Take images in their order.

        If one of them is elsewhere, all are kept in the background: the words that
        follow do not wait for it.

        Args:
            found: The images.
            client: Returns the client of the model that has made them. Default: that of
                the run's agent.
        """
        images = [image for image in found if self._is_new(image)]
        if not self._converter.keeps_tool_images:
            self._left += images
        elif all(image.is_here for image in images):
            for image in images:
                await self._keep(image, image.url)
        else:
            config = self._converter.run_config or RunConfig()
            ask = client or partial(providers.client_of, self._agent, config)
            reads = [asyncio.ensure_future(self._read(image, ask)) for image in images]
            self._reads.update(reads)
            self._begin(self._keep_all(images, reads))

    async def take_event(self, event: StreamEvent) -> None:
        """Take the images of an event of the run."""
        if event.type == "agent_updated_stream_event":
            self._agent = event.new_agent
        if found := tool_outputs.of_event(event):
            if self._early:
                # They stand before whatever the model sends afterwards.
                await asyncio.wait(self._early)
            await self.take(found)

    async def catch_up(self, events: Iterable[StreamEvent]) -> None:
        """Take the images of events that an ended stream did not hand out."""
        for event in events:
            try:
                await self.take_event(event)
            except Exception:
                logger.exception("An image of a tool is left out")
        await self.close()

    async def settle(self) -> None:
        """Wait until all that is on its way has come."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Give up what has not come. What has come is kept."""
        for read in self._reads:
            read.cancel()
        if self._tasks:
            # Nobody reads the stream any more, so it delivers nothing.
            self._tracker.outbox.close()
        await self.settle()

    def warn(self) -> None:
        """Warn, once, of images that nobody has kept."""
        left, self._left = self._left, []
        knows = self._tracker.knows
        lost = [
            image
            for image in left
            if not image.is_here or not knows(_final(image, image.url).mark)
        ]
        if lost:
            logger.warning(
                "Images that tools have returned are neither shown nor kept: %s of %s. "
                "Set keeps_tool_images = True on the server, or return ModelImage.",
                len(lost),
                ", ".join(sorted({str(image.source) for image in lost})),
            )

    def _take_result(self, item: RunItem) -> None:
        """Take what a tool has returned, of which an event will tell later or never."""
        task = self._begin(self._take_early(item))
        self._early.add(task)
        task.add_done_callback(self._early.discard)

    async def _take_early(self, item: RunItem) -> None:
        try:
            await self.take(tool_outputs.of_run_items([item]))
        except Exception:
            logger.exception("An image of a tool is left out")

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _is_new(self, image: FoundImage) -> bool:
        # The id of a call may come again with another image: some gateways number the
        # calls of each response.
        known = image.key, len(image.url), image.url[-finals.MARK_END :]
        if known in self._known or len(self._known) > MOST:
            return False
        self._known.add(known)
        if len(self._known) > MOST and self._converter.keeps_tool_images:
            logger.warning("Tools return over %s images; the others are left out", MOST)
            return False
        return not own_urls.is_signed(image.url)

    async def _read(
        self, image: FoundImage, client: Callable[[], AsyncOpenAI | None]
    ) -> str:
        """Return the base64 of an image that may be elsewhere.

        Raises:
            LookupError: If nobody can read it.
            Exception: If it cannot be read.
        """
        if image.is_here:
            return image.url
        if image.file is not None:
            data = await container_files.read(client(), *image.file)
        elif image.url:
            data = await self._converter.fetch_tool_image(image.url)
        else:
            raise LookupError("It has a file's id only, which nobody can read.")
        return await storage.decode(pybase64.b64encode_as_string, data)

    async def _keep_all(
        self, images: Sequence[FoundImage], reads: Sequence[asyncio.Future[str]]
    ) -> None:
        for image, read in zip(images, reads, strict=True):
            # The reading may be cancelled, and nothing else.
            await asyncio.wait([read])
            self._reads.discard(read)
            if read.cancelled():
                logger.warning("An image of a tool is left out: the answer has ended")
            elif (error := read.exception()) is not None:
                logger.warning("An image of a tool is left out: %s", error)
            else:
                try:
                    await self._keep(image, read.result())
                except Exception:
                    logger.exception("An image of a tool is left out")

    async def _keep(self, image: FoundImage, base64_image: str) -> None:
        if not imaging.may_unwrap(base64_image):
            logger.warning("An image of a tool is left out: it is none")
            return
        async with self._keeping:
            if self._tracker.knows(_final(image, base64_image).mark):
                return
            columns = {"source": image.source, "details": dict(image.details)}
            branch = self._tracker.branch(("tool", next(_numbers)), columns)
            await branch.take_output([_call(image, base64_image)])


def _call(image: FoundImage, base64_image: str) -> ImageGenerationCall:
    return ImageGenerationCall(
        id=":".join(map(str, image.key)),
        type="image_generation_call",
        status="completed",
        result=base64_image,
    )


def _final(image: FoundImage, base64_image: str) -> finals.Final:
    return finals.final_of(_call(image, base64_image))
