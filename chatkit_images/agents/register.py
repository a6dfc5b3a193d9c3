"""The image calls of a run, response by response."""

from __future__ import annotations

from typing import Any

from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import Response

from .. import times
from ..conf import Limits
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from . import image_columns
from .calls import ImageCall
from .finals import Final
from .outbox import Outbox
from .places import Place, Places
from .tools import expected_previews_of


class CallRegister:
    """Finds the call of an event, and begins the call if it is new.

    Args:
        context: The agent's context.
        converter: Stores the images of the calls.
        outbox: Takes the events of the calls.
        columns: Columns of every image.
    """

    def __init__(
        self,
        context: AgentContext[RequestContext],
        converter: DjangoResponseStreamConverter,
        outbox: Outbox,
        columns: dict[str, Any],
    ) -> None:
        # The calls of the response that goes on, or that was the last to end.
        self.current = Places(converter.next_stream())
        self._context = context
        self._converter = converter
        self._outbox = outbox
        self._calls: list[ImageCall] = []
        # The columns of every image, and those that the current response has given.
        self._fixed = columns
        self._columns: dict[str, Any] = {}

    @property
    def calls(self) -> list[ImageCall]:
        """All calls, in the order in which they began."""
        return list(self._calls)

    def begin_response(self, response: Response) -> None:
        """Note that the next calls are of a response, unless it has begun already."""
        response_id = response.id or ""
        again = response_id == self.current.response_id and not self.current.ended
        if not again:
            self._turn_over()
        self.current.response_id = response_id
        self._columns = image_columns.of_response(response)
        if (count := expected_previews_of(response)) is not None:
            self._converter.partial_images = count

    @property
    def next_id(self) -> str:
        """Return what the next call without an index is told apart by."""
        return self.current.name(None)

    async def begin(self, limits: Limits | None = None) -> ImageCall:
        """Return a new call, of which no event of a model tells.

        Args:
            limits: If given, the call is refused if it is one image too many.

        Raises:
            RequestRefused: If it is.
        """
        if limits is not None:
            await self._converter.begin_image(
                self.next_id, provider_id="", limits=limits, **self._fixed
            )
        return (await self._begin(None, "")).call

    async def beginning(self, index: int | None, provider_id: str) -> ImageCall:
        """Return the call that an event begins."""
        self._end_of_response()
        place = (
            self.current.beginning(index, provider_id)
            or self.current.unannounced(index)
            or await self._begin(index, provider_id)
        )
        place.began_again = not place.lacks_image
        place.began = True
        return self._known(place, index, provider_id)

    async def of_event(self, index: int | None, provider_id: str) -> ImageCall:
        """Return the call of an event. A call that is new begins and is announced."""
        return await self._of(
            self.current.of_event(index, provider_id), index, provider_id
        )

    async def of_preview(self, index: int | None, provider_id: str) -> ImageCall:
        """Return the call of a preview. A call that is new begins and is announced."""
        return await self._of(
            self.current.of_preview(index, provider_id), index, provider_id
        )

    async def _of(
        self, place: Place | None, index: int | None, provider_id: str
    ) -> ImageCall:
        if place is None:
            self._end_of_response()
            place = await self._begin(index, provider_id)
        return self._known(place, index, provider_id)

    async def of_final(
        self, index: int | None, provider_id: str, final: Final
    ) -> ImageCall:
        """Return the call of a finished item that has an image."""
        place = self.current.of_final(index, provider_id, final)
        if place is None:
            self._end_of_response()
            place = await self._begin(index, provider_id)
        return self._known(place, index, provider_id)

    async def of_end(
        self, index: int, provider_id: str, final: Final
    ) -> ImageCall | None:
        """Return the call of an item in the output of a response that has ended.

        Returns:
            ``None`` if the item brings nothing: a repetition under another id.
        """
        place = self.current.of_end(index, provider_id, final)
        if place is None:
            if final.image is None and len(self.current):
                return None
            place = await self._begin(index, provider_id)
            place.settled = True
        return self._known(place, index, provider_id)

    def _known(self, place: Place, index: int | None, provider_id: str) -> ImageCall:
        if provider_id:
            place.ids.add(provider_id)
        if place.index is None:
            place.index = index
        return place.call

    def _end_of_response(self) -> None:
        """Begin the next response, if the current one is over and this is not its own.

        Some gateways never say that a response begins.
        """
        if self.current.ended:
            self._turn_over()

    def _turn_over(self) -> None:
        if len(self.current) or self.current.ended or self.current.response_id:
            self.current = self.current.following()
        self._columns = {}

    async def _begin(self, index: int | None, provider_id: str) -> Place:
        item = types.GeneratedImageItem(
            id=self._context.generate_id("message"),
            thread_id=self._context.thread.id,
            created_at=times.now(),
        )
        # The call is registered before it is announced, because a call whose beginning
        # a client has seen must end.
        call = ImageCall(
            self.current.name(index),
            provider_id,
            item,
            self._converter,
            self._outbox.emit,
            lambda: self._context.generate_id("message"),
            self._fixed | self._columns,
        )
        place = Place(call, index)
        self.current.add(place)
        self._calls.append(call)
        await self._outbox.announce(types.ThreadItemAddedEvent(item=item))
        return place
