"""The images in the stream of a run: which event is about which call.

``docs/architecture.md`` has a glossary: what end, close, abandon and supersede mean.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from typing import Any

from agents import StreamEvent
from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_output_item import ImageGenerationCall

from .. import database, failures
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from ..exceptions import NotFoundError
from ..failures import Failure
from ..queries import failure_columns, images
from ..run_state import base64_of
from . import finals, outcomes
from .bill import Bill
from .calls import CallState, ImageCall
from .finals import Final, Mark
from .outbox import Outbox
from .outcomes import ImageOutcome
from .places import Places, index_of
from .register import CallRegister

logger = logging.getLogger(__name__)


class ImageTracker:
    """Turns the image events of a run into ChatKit's, one item for each call.

    ChatKit's own function keeps one slot for all images of a turn. If two are generated
    in parallel, it never ends the first one and drops the bytes of the second.

    Args:
        context: The agent's context.
        converter: Stores the images.
        columns: Columns of every image.
        trunk: The tracker of the stream in which the images of this one are shown, if
            their run is nested in that of the stream.
    """

    def __init__(
        self,
        context: AgentContext[RequestContext],
        converter: DjangoResponseStreamConverter,
        columns: dict[str, Any] | None = None,
        trunk: ImageTracker | None = None,
    ) -> None:
        self.context = context
        self.bill: Bill = trunk.bill if trunk else Bill(converter)
        self.outbox: Outbox = trunk.outbox if trunk else Outbox(context)
        self.tool_images: Any = None  # Takes the images that tools return.
        # Whether the stream was read to its end, or abandoned.
        self.complete = False
        # Why the model has failed, if it said so.
        self.failure: Failure | None = None
        # Ends the model's run and handles the events that have arrived.
        self.close_source: Callable[[], Awaitable[None]] | None = None
        self._register = CallRegister(context, converter, self.outbox, columns or {})
        self._converter = converter
        self._leftovers: list[types.ThreadStreamEvent] = []
        self._branches: dict[Hashable, ImageTracker] = {}

    @property
    def busy(self) -> bool:
        """Whether an image is being generated or saved."""
        return any(call.state is not CallState.ENDED for call in self.calls)

    @property
    def calls(self) -> list[ImageCall]:
        """All calls, those of nested runs last."""
        return [
            *self._register.calls,
            *(call for each in self._branches.values() for call in each.calls),
        ]

    def branch(self, key: Hashable, columns: dict[str, Any]) -> ImageTracker:
        """Return the tracker of a nested run, made at the first call for its key.

        Its images are shown in this stream, and counted and ended with its own.
        """
        if key not in self._branches:
            # It has its own expectation of previews, and shares all else.
            converter = copy.copy(self._converter)
            converter.asked = converter.asked.nested()
            self._branches[key] = ImageTracker(
                self.context, converter, columns, trunk=self
            )
        return self._branches[key]

    def knows(self, mark: Mark | None) -> bool:
        """Whether a call has the image with this mark."""
        return any(
            call.final is not None and call.final.mark == mark for call in self.calls
        )

    async def handle(self, event: StreamEvent) -> bool:
        """Take an event of the run; ``True`` if it was about an image."""
        if event.type != "raw_response_event":
            return False
        data: ResponseStreamEvent = event.data
        self.failure = failures.of(data) or self.failure
        if data.type == "response.created":
            self.failure = None
            self._register.begin_response(data.response)
        elif data.type in (
            "response.completed",
            "response.incomplete",
            "response.failed",
        ):
            await self._take_response_end(data.response)
        elif data.type == "response.image_generation_call.partial_image":
            # A placeholder holds the image until it is asked for, so an image that
            # will be overtaken is asked for too.
            image = base64_of(data.partial_image_b64)
            call = await self._register.of_preview(index_of(data), data.item_id or "")
            call.take_partial(data.partial_image_index, image)
            return True
        elif data.type in ("response.output_item.added", "response.output_item.done"):
            if data.item.type != "image_generation_call":
                return False
            if data.type == "response.output_item.added":
                await self._register.beginning(index_of(data), data.item.id or "")
            if data.type == "response.output_item.done" or data.item.result:
                await self._take_done(index_of(data), data.item)
            return True
        elif (finished := finals.call_of(data)) is not None:
            await self._take_done(index_of(data), finished)
        return data.type.startswith("response.image_generation_call.")

    async def catch_up(self, events: Iterable[StreamEvent]) -> None:
        """Take the events that an ended stream did not hand out.

        If one of them fails, the others are still taken, as they may bring an image.
        """
        self.outbox.close()
        for event in events:
            try:
                await self.handle(event)
            except Exception:
                logger.exception("An event of the model's is left out")

    async def end_calls(self) -> None:
        """Wait for every call after the model's last event. Without a final it fails.

        Raises:
            Exception: Whatever has kept a final from being saved.
        """
        for call in self.calls:
            await call.wait()
            await call.end(outcomes.NO_RESULT)

    async def close(self, outcome: ImageOutcome) -> list[types.ThreadStreamEvent]:
        """End every call that is open, and return the events that nobody has seen yet.

        Bytes that have arrived are saved first, because they are not sent again.
        """
        self.outbox.close()
        for call in self.calls:
            await call.end(outcome)
        return self.outbox.take()

    async def supersede(self) -> None:
        """Take the images of this stream out of their thread, as its items were."""
        calls = [call.call_id for call in self.calls]
        await database.call(images.supersede, self._converter.keys(calls))

    async def abandon(self, outcome: ImageOutcome) -> None:
        """Close the source and the tracker, and save the items of the calls.

        Call it if nobody reads the stream any more, even if the run goes on. Images
        that have arrived are taken first. The events are kept for ``take_leftovers``.
        If the stream was read to its end, this does nothing.
        """
        if self.complete:
            return
        self.complete = True
        if self.close_source is not None:
            await self.close_source()
        self._leftovers += await self.close(outcome)
        # If the thread was deleted, nobody sees its items any more.
        with suppress(NotFoundError):
            for call in self.calls:
                for item in call.items:
                    await self.context.store.add_thread_item(
                        self.context.thread.id, item, self.context.request_context
                    )

    def take_leftovers(self) -> list[types.ThreadStreamEvent]:
        """Return, once, the events of an abandoned stream."""
        events, self._leftovers = self._leftovers, []
        return events

    async def _take_done(self, index: int | None, item: ImageGenerationCall) -> None:
        """Take a finished call. Without an image or an error it is not the last word.

        Some gateways send the image with a second one, or with the end of the response.
        """
        final, provider_id = finals.final_of(item), item.id or ""
        if final.image is not None:
            call = await self._register.of_final(index, provider_id, final)
        else:
            call = await self._register.of_event(index, provider_id)
        if not final.is_provisional:
            call.take_final(final)

    async def _take_response_end(self, response: Response) -> None:
        """Take what the end of a response says, however the response has ended.

        The end repeats the calls. If a call has sent no final, this is its final.
        """
        again = self._register.current.ended
        places = await self.take_output(response.output or ())
        outcome = outcomes.of_failure(self.failure or failure_columns.NO_RESULT)
        for place in places:
            if place.is_open:
                place.call.take_final(Final(None, outcome))
        if not (again and response.id in ("", places.response_id)):
            self.bill.add(response, [place.call for place in places])

    async def take_output(self, output: Iterable[Any]) -> Places:
        """Take the images in the whole output of a response, which is at its end.

        Returns:
            The calls of the response.
        """
        places = self._register.current
        places.end()
        for index, item in enumerate(output):
            # The SDK fills an empty output with whatever items it was sent.
            if getattr(item, "type", None) != "image_generation_call":
                continue
            final = finals.final_of(item)
            if final.is_provisional:
                continue
            call = await self._register.of_end(index, item.id or "", final)
            if call is not None:
                call.take_final(final)
        return places
