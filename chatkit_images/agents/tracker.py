"""The images in the stream of a run: which event is about which call.

``docs/architecture.md`` has a glossary: what end, close, abandon and supersede mean.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar

from agents import StreamEvent
from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import Response, ResponseStreamEvent

from .. import database
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from ..exceptions import NotFoundError
from ..queries import images
from ..run_state import base64_of
from . import finals, outcomes
from .bill import Bill
from .calls import CallState
from .outbox import Outbox
from .outcomes import ImageOutcome
from .register import CallRegister

logger = logging.getLogger(__name__)


class ImageTracker:
    """Turns the image events of a run into ChatKit's, one item for each call.

    ChatKit's own function keeps one slot for all images of a turn. If two are generated
    in parallel, it never ends the first one and drops the bytes of the second.
    """

    def __init__(
        self,
        context: AgentContext[RequestContext],
        converter: DjangoResponseStreamConverter,
    ) -> None:
        self.context = context
        self.bill = Bill()
        self.outbox = Outbox(context)
        # Whether the stream was read to its end, or abandoned.
        self.complete = False
        # The outcome of calls that the model left open, if it said why it failed.
        self.failure: ImageOutcome | None = None
        # Ends the model's run and handles the events that have arrived.
        self.close_source: Callable[[], Awaitable[None]] | None = None
        self._register = CallRegister(context, converter, self.outbox)
        self._leftovers: list[types.ThreadStreamEvent] = []

    @property
    def busy(self) -> bool:
        """Whether an image is being generated or saved."""
        return any(call.state is not CallState.ENDED for call in self._register.calls)

    async def handle(self, event: StreamEvent) -> bool:
        """Take an event of the run; ``True`` if it was about an image."""
        if event.type != "raw_response_event":
            return False
        data: ResponseStreamEvent = event.data
        self.failure = outcomes.of_event(data) or self.failure
        if data.type == "response.created":
            self._register.begin_response(data.response)
        elif data.type in (
            "response.completed",
            "response.incomplete",
            "response.failed",
        ):
            await self._take_response_end(data.response)
        elif data.type == "response.image_generation_call.partial_image":
            call = await self._register.call(data.item_id)
            # A placeholder holds the image until it is asked for, so an image that
            # will be overtaken is asked for too.
            image = base64_of(data.partial_image_b64)
            call.take_partial(data.partial_image_index, image)
            return True
        elif data.type in ("response.output_item.added", "response.output_item.done"):
            if data.item.type != "image_generation_call":
                return False
            call = await self._register.call(data.item.id)
            if data.type == "response.output_item.done":
                call.take_final(finals.final_of(data.item))
            return True
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
        for call in self._register.calls:
            await call.wait()
            await call.end(outcomes.NO_RESULT)

    async def close(self, outcome: ImageOutcome) -> list[types.ThreadStreamEvent]:
        """End every call that is open, and return the events that nobody has seen yet.

        Bytes that have arrived are saved first, because they are not sent again.
        """
        self.outbox.close()
        for call in self._register.calls:
            await call.end(outcome)
        return self.outbox.take()

    async def supersede(self) -> None:
        """Take the images of this stream out of their thread, as its items were."""
        thread_id = self.context.thread.id
        await database.call(images.supersede, thread_id, self._register.ids)

    async def abandon(self, status: str, code: str = "") -> None:
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
        self._leftovers += await self.close(ImageOutcome(status, code))
        # If the thread was deleted, nobody sees its items any more.
        with suppress(NotFoundError):
            for call in self._register.calls:
                if call.final_item is not None:
                    await self.context.store.add_thread_item(
                        self.context.thread.id,
                        call.final_item,
                        self.context.request_context,
                    )

    def take_leftovers(self) -> list[types.ThreadStreamEvent]:
        """Return, once, the events of an abandoned stream."""
        events, self._leftovers = self._leftovers, []
        return events

    async def _take_response_end(self, response: Response) -> None:
        """Take what the end of a response says, however the response has ended.

        The end repeats the calls. If a call has sent no final, this is its final.
        """
        silent = not self._register.current
        for item in response.output or ():
            if item.type != "image_generation_call" or not (item.result or item.error):
                continue
            # Some gateways give a call another id at the end. So if the response has
            # sent calls, an id that only the end knows is no further call.
            if silent or self._register.knows(item.id):
                call = await self._register.call(item.id)
                call.take_final(finals.final_of(item))
        self.bill.add(response, self._register.current)


trackers: ContextVar[list[ImageTracker] | None] = ContextVar("trackers", default=None)
"""The trackers of the run whose task is executing, if its caller collects them."""
