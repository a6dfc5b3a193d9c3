"""Everything about images in the stream of one turn, keyed by call id.

The words for endings, from the outside in:

- ``runs.claims.release`` ends the row of a run, and what its images left open.
- ``abandon``: nobody iterates the stream any more, so its run and its calls end.
- ``finish``: the model has ended its stream; a call without a result has failed.
- ``settle``: whatever is under way, every call of the turn ends now.
- ``ImageCall.end`` ends one call, ``end_image`` its row.
- ``withdraw``: a guardrail took the turn back, so its images leave the thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from agents import StreamEvent
from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import Response, ResponseStreamEvent

from .. import database, times
from ..cleaning import clean_columns
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from ..exceptions import NotFoundError
from ..models import GeneratedImage
from ..queries import images
from ..run_state import base64_of, current_state
from . import fields
from .calls import ImageCall

logger = logging.getLogger(__name__)
Status = GeneratedImage.Status


class ImageTracker:
    """Turns the image events of a run into ChatKit's, one item for each call.

    ChatKit's own function keeps one slot for all images of a turn: of two that
    are generated in parallel it loses the first's end and the second's bytes.
    """

    def __init__(
        self,
        context: AgentContext[RequestContext],
        converter: DjangoResponseStreamConverter,
    ) -> None:
        self.context = context
        self.response_id = ""
        self.usage: dict[str, Any] = {}
        self.complete = False
        # Code and message of what has ended the model's answer, if it told.
        self.failure: tuple[str, str] | None = None
        self._leftovers: list[types.ThreadStreamEvent] = []
        self._converter = converter
        self._calls: dict[str, ImageCall] = {}
        # What the current response said at its start, and the calls that it made.
        self._known: dict[str, Any] = {}
        self._current: list[str] = []
        self._image_usage: dict[str, dict[str, Any]] = {}
        # Ends the model's run and hands over what it has left; see ``ResultTap``.
        self.drain: Callable[[], Awaitable[None]] | None = None
        # Events that the stream has not delivered yet, oldest first.
        self._outbox: list[types.ThreadStreamEvent] = []
        self._open = True
        self._moved = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether an image is being generated or saved."""
        return any(not call.ended for call in self._calls.values())

    async def handle(self, event: StreamEvent) -> bool:
        """Take an event of the run; ``True`` if it was about an image."""
        if event.type != "raw_response_event":
            return False
        data: ResponseStreamEvent = event.data
        if data.type == "response.created":
            self._known = fields.of_request(data.response)
            self._current = []
        elif data.type in (
            "response.completed",
            "response.incomplete",
            "response.failed",
        ):
            self.failure = fields.failure(data) or self.failure
            await self._take_end(data.response)
        elif (failure := fields.failure(data)) is not None:
            self.failure = failure
        elif data.type == "response.image_generation_call.partial_image":
            call = await self._call(data.item_id)
            # Taken even if it will be overtaken, so that it is let go.
            image = base64_of(data.partial_image_b64)
            call.offer_preview(data.partial_image_index, image)
            return True
        elif data.type in ("response.output_item.added", "response.output_item.done"):
            if data.item.type != "image_generation_call":
                return False
            call = await self._call(data.item.id)
            if data.type == "response.output_item.done":
                call.offer_final(data.item, fields.of_result(data.item))
            return True
        return data.type.startswith("response.image_generation_call.")

    async def _take_end(self, response: Response) -> None:
        """Note what the end of a response says, however it has ended.

        It repeats the calls. Of one that has not ended by itself it is all there is.
        """
        self.response_id = response.id
        silent = not self._current
        for item in response.output or ():
            if item.type != "image_generation_call" or not (item.result or item.error):
                continue
            # Not by an id that only the end knows, beside calls that are known: some
            # gateways give the same call another one.
            if silent or images.call_key(item.id) in self._calls:
                call = await self._call(item.id)
                call.offer_final(item, fields.of_result(item))
        if response.usage:
            usage = response.usage.model_dump(mode="json", exclude_none=True)
            self.usage = fields.add_usage(self.usage, usage)
            self._image_usage.update(dict.fromkeys(self._current, usage))

    async def catch_up(self, events: Iterable[StreamEvent]) -> None:
        """Take the events that a stream which has ended did not hand out.

        Whatever one of them does, those behind it are taken: an image may be there.
        """
        self._open = False
        for event in events:
            try:
                await self.handle(event)
            except Exception:
                logger.exception("An event of the model's is left out")

    async def finish(self) -> None:
        """Wait for what is under way, the model having ended its stream."""
        for call in list(self._calls.values()):
            await call.settled()
            await call.end(Status.FAILED, "no_result", "The call had no result.")

    async def settle(
        self, status: str, code: str = "", message: str = ""
    ) -> list[types.ThreadStreamEvent]:
        """End every call and return the events that nobody has seen yet.

        Bytes that have arrived are saved first: they are not sent again.
        """
        self._open = False
        for call in list(self._calls.values()):
            await call.end(status, code, message)
        events, self._outbox = self._outbox, []
        return events

    async def withdraw(self) -> None:
        """Take the images of this turn out of the thread, as its items were."""
        await database.call(images.supersede, self.context.thread.id, list(self._calls))

    async def abandon(self, status: str, code: str = "") -> None:
        """End the model's run and every call of it; save the calls' items.

        For a stream that nobody iterates any more, though its run may go on. Images
        that have arrived are taken first. Its events are left over for
        ``take_leftovers``. After a stream that was iterated to its end this does
        nothing.
        """
        if self.complete:
            return
        self.complete = True
        if self.drain is not None:
            await self.drain()
        self._leftovers += await self.settle(status, code)
        with suppress(
            NotFoundError
        ):  # The thread was deleted: nobody sees it any more.
            for call in self._calls.values():
                if call.saved is not None:
                    await self.context.store.add_thread_item(
                        self.context.thread.id, call.saved, self.context.request_context
                    )

    def take_leftovers(self) -> list[types.ThreadStreamEvent]:
        """Return, once, the events of an abandoned stream."""
        events, self._leftovers = self._leftovers, []
        return events

    async def record_usage(self) -> None:
        """Note the tokens of each response on the rows of its images."""
        for call_id, usage in self._image_usage.items():
            # A replay of a call overwrites nothing.
            rows = GeneratedImage.objects.filter(
                thread_id=self.context.thread.id, call_id=call_id, usage={}
            )
            words = clean_columns(GeneratedImage, {"usage": usage})
            await database.call(rows.update, **words)

    def delivered(self, event: types.ThreadStreamEvent) -> None:
        """Note that the stream has handed out an event."""
        self._outbox = [waiting for waiting in self._outbox if waiting is not event]
        self._moved.set()

    async def _emit(self, event: types.ThreadStreamEvent) -> None:
        self._outbox.append(event)
        if self._open:
            await self.context.stream(event)

    async def _announce(self, event: types.ThreadItemAddedEvent) -> None:
        """Emit an event before whatever the model sends next."""
        await self._emit(event)
        while self._open and any(waiting is event for waiting in self._outbox):
            self._moved.clear()
            await self._moved.wait()

    async def _call(self, call_id: str) -> ImageCall:
        call_id = images.call_key(call_id)
        if call_id in self._calls:
            return self._calls[call_id]
        item = types.GeneratedImageItem(
            id=self.context.generate_id("message"),
            thread_id=self.context.thread.id,
            created_at=times.now(),
        )
        call = self._calls[call_id] = ImageCall(
            call_id,
            item,
            self._converter,
            self._emit,
            lambda: self.context.generate_id("message"),
            self._known,
        )
        self._current.append(call_id)
        # Known before it is announced: what a client has seen begin must end.
        await self._announce(types.ThreadItemAddedEvent(item=item))
        return call


trackers: ContextVar[list[ImageTracker] | None] = ContextVar("trackers", default=None)
"""The trackers of the run whose task is executing, if somebody asked for them."""


def cut_off_status() -> Status:
    """Return how images end whose answer is cut off: by the server, or by a person."""
    state = current_state.get()
    by_server = state is not None and state.interrupted
    return Status.INTERRUPTED if by_server else Status.CANCELLED
