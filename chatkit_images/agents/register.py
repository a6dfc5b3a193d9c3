"""The image calls of a run, and which of them an event belongs to."""

from __future__ import annotations

from typing import Any

from chatkit import types
from chatkit.agents import AgentContext
from openai.types.responses import Response

from .. import times
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from ..queries import images
from . import image_columns
from .calls import ImageCall
from .outbox import Outbox


class CallRegister:
    """Finds the call of an event, and begins the call if it is new.

    The identity of a call is the provider's id, as its column takes it.

    Args:
        context: The agent's context.
        converter: Stores the images of the calls.
        outbox: Takes the events of the calls.
    """

    def __init__(
        self,
        context: AgentContext[RequestContext],
        converter: DjangoResponseStreamConverter,
        outbox: Outbox,
    ) -> None:
        # The calls that the current response has made so far.
        self.current: list[str] = []
        self._context = context
        self._converter = converter
        self._outbox = outbox
        self._calls: dict[str, ImageCall] = {}
        # The columns of images that the start of the current response has given.
        self._columns: dict[str, Any] = {}

    @property
    def ids(self) -> list[str]:
        """The identities of all calls, in the order in which the calls began."""
        return list(self._calls)

    @property
    def calls(self) -> list[ImageCall]:
        """All calls, in the order in which they began."""
        return list(self._calls.values())

    def begin_response(self, response: Response) -> None:
        """Note that the next calls are of another response."""
        self._columns, self.current = image_columns.of_response(response), []

    def knows(self, provider_id: str) -> bool:
        """Whether a call has begun."""
        return images.call_key(provider_id) in self._calls

    async def call(self, provider_id: str) -> ImageCall:
        """Return the call of an event. A call that is new begins and is announced."""
        call_id = images.call_key(provider_id)
        if call_id in self._calls:
            return self._calls[call_id]
        item = types.GeneratedImageItem(
            id=self._context.generate_id("message"),
            thread_id=self._context.thread.id,
            created_at=times.now(),
        )
        # The call is registered before it is announced, because a call whose beginning
        # a client has seen must end.
        call = self._calls[call_id] = ImageCall(
            call_id,
            item,
            self._converter,
            self._outbox.emit,
            lambda: self._context.generate_id("message"),
            self._columns,
        )
        self.current.append(call_id)
        await self._outbox.announce(types.ThreadItemAddedEvent(item=item))
        return call
