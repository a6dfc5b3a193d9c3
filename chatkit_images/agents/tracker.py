"""The images in the stream of a run: which event is about which call."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from agents import StreamEvent
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_output_item import ImageGenerationCall

from .. import failures
from ..failures import Failure
from ..queries import failure_columns
from ..run_state import base64_of
from . import finals, outcomes
from .finals import Final
from .open_calls import OpenCalls
from .places import Places, index_of

logger = logging.getLogger(__name__)


class ImageTracker(OpenCalls):
    """Turns the image events of a run into ChatKit's, one item for each call.

    ChatKit's own function keeps one slot for all images of a turn. If two are generated
    in parallel, it never ends the first one and drops the bytes of the second.
    """

    # Why the model has failed, if it said so.
    failure: Failure | None = None

    async def handle(self, event: StreamEvent) -> bool:
        """Take an event of the run; ``True`` if it was about an image."""
        if event.type != "raw_response_event":
            return False
        data: ResponseStreamEvent = event.data
        self.failure = failures.of(data) or self.failure
        if data.type == "response.created":
            self.failure = None
            self.register.begin_response(data.response)
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
            call = await self.register.of_preview(index_of(data), data.item_id or "")
            call.take_partial(data.partial_image_index, image)
            return True
        elif data.type in ("response.output_item.added", "response.output_item.done"):
            if data.item.type != "image_generation_call":
                return False
            if data.type == "response.output_item.added":
                await self.register.beginning(index_of(data), data.item.id or "")
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

    async def _take_done(self, index: int | None, item: ImageGenerationCall) -> None:
        """Take a finished call. Without an image or an error it is not the last word.

        Some gateways send the image with a second one, or with the end of the response.
        """
        final, provider_id = finals.final_of(item), item.id or ""
        if final.image is not None:
            call = await self.register.of_final(index, provider_id, final)
        else:
            call = await self.register.of_event(index, provider_id)
        if not final.is_provisional:
            call.take_final(final)

    async def _take_response_end(self, response: Response) -> None:
        """Take what the end of a response says, however the response has ended.

        The end repeats the calls. If a call has sent no final, this is its final.
        """
        again = self.register.current.ended
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
        places = self.register.current
        places.end()
        for index, item in enumerate(output):
            # The SDK fills an empty output with whatever items it was sent.
            if getattr(item, "type", None) != "image_generation_call":
                continue
            final = finals.final_of(item)
            if final.is_provisional:
                continue
            call = await self.register.of_end(index, item.id or "", final)
            if call is not None:
                call.take_final(final)
        return places
